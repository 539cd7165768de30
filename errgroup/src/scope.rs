//! The same group over OS threads, whose tasks may borrow from the stack.

use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::attempt;
use crate::carried::Carried;
use crate::cause::{Cause, Reason};
use crate::engine::Engine;
use crate::error::{SpawnError, TrySpawnError};
use crate::escalations::Escalations;
use crate::panic::Panic;
use crate::park::until_ready;
use crate::scope_control::Follower;
use crate::scope_place::boxed;
use crate::state::{BACKLOG, State};
use crate::stats::Stats;
use crate::sync::{Mutex, lock};
use crate::verdict::OnError;
use crate::wait_error::WaitError;
use crate::word::Reserved;

pub(crate) type Job<'scope, E> = Box<dyn FnOnce() -> Result<(), E> + Send + 'scope>;

pub(crate) struct Shared<'scope, E> {
    pub(crate) state: State<Job<'scope, E>, E>,
    on_panic: Mutex<Option<OnPanic<'scope, E>>>,
    pub(crate) escalations: Escalations<'scope>,
    /// Who act after the cancel.
    pub(crate) followers: Mutex<Vec<Follower<'scope>>>,
}

type OnPanic<'scope, E> = Box<dyn FnOnce(Panic) -> E + Send + 'scope>;

/// Runs tasks on OS threads and returns when every one of them is gone (Go:
/// an `errgroup.Group` from first to last), so that tasks may borrow whatever
/// outlives the call.
///
/// `body` spawns them by its [`Scope`], and counts as one of them: an error or a
/// panic of it cancels as that of a task does. It runs on the calling thread,
/// which blocks until the end.
///
/// ```
/// let pages = ["a", "bb", "ccc"];
/// let longest = std::sync::Mutex::new(0);
/// errgroup::scope(|group| {
///     group.set_limit(2);
///     for page in &pages {
///         group.spawn(|| {
///             let mut longest = longest.lock().unwrap();
///             *longest = page.len().max(*longest);
///             Ok::<(), String>(())
///         });
///     }
///     Ok(())
/// })?;
/// assert_eq!(longest.into_inner().unwrap(), 3);
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
///
/// The first error of a task or of `body`. A cancel by hand is no error, and
/// hides none.
///
/// # Panics
///
/// If a task or `body` panicked, goes on with the first panic, with its payload;
/// it has precedence over an error.
pub fn scope<'env, T, E, F>(body: F) -> Result<T, E>
where
    E: Send + 'env,
    F: for<'scope> FnOnce(&Scope<'scope, 'env, E>) -> Result<T, E>,
{
    let (ended, value) = run(body);
    ended
        .or_else(WaitError::settle)
        .map(|()| value.expect("the body came to its end"))
}

/// As [`scope()`], but tells every end from the others, as
/// [`Group::try_wait`](crate::Group::try_wait): a panic is returned, and `Ok` means
/// that every task was done.
///
/// ```
/// use errgroup::{WaitError, try_scope};
///
/// let ended = try_scope(|group| {
///     group.spawn(|| -> Result<(), String> { panic!("at the disco") });
///     Ok(())
/// });
/// match ended {
///     Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("at the disco")),
///     other => panic!("{other:?}"),
/// }
/// ```
///
/// # Errors
///
/// The first panic of a task or of `body`, unless
/// [`panics_as_errors`](Scope::panics_as_errors) makes an error of it; or else the
/// first error; or else that the scope was cancelled by hand.
pub fn try_scope<'env, T, E, F>(body: F) -> Result<T, WaitError<E>>
where
    E: Send + 'env,
    F: for<'scope> FnOnce(&Scope<'scope, 'env, E>) -> Result<T, E>,
{
    let (ended, value) = run(body);
    ended.map(|()| value.expect("the body came to its end"))
}

/// How it ended, and what the body came to if it did not fail.
fn run<'env, T, E, F>(body: F) -> (Result<(), WaitError<E>>, Option<T>)
where
    E: Send + 'env,
    F: for<'scope> FnOnce(&Scope<'scope, 'env, E>) -> Result<T, E>,
{
    let mut value = None;
    let ended = thread::scope(|threads| {
        let state = State::new();
        state.set_backlog(BACKLOG);
        let scope = Scope {
            shared: Arc::new(Shared {
                state,
                on_panic: Mutex::new(None),
                escalations: Escalations::new(),
                followers: Mutex::new(Vec::new()),
            }),
            threads,
        };
        // Not `attempt::call`: the body is none of the tasks that may hold the
        // slot for which it waits.
        let outcome = attempt::catch(|| body(&scope).map(|ok| value = Some(ok)));
        if let Err(reason) = outcome {
            Engine::cancel(&scope, reason);
        }
        let ended = until_ready(|cx| scope.shared.state.poll_join(cx));
        let ended = scope.followed(ended);
        let on_panic = lock(&scope.shared.on_panic).take();
        ended.map_err(|why| why.convert(on_panic))
    });
    (ended, value)
}

/// Spawns into a [`scope()`], cancels and watches it. Clone it to spawn from
/// inside the tasks.
///
/// Without a limit each task starts at once, on a thread of its own if none is
/// free; with a limit of n there are at most n threads, which take the next task
/// as one ends. For tasks that compute, the limit to set is
/// [`available_parallelism`](thread::available_parallelism).
pub struct Scope<'scope, 'env: 'scope, E> {
    pub(crate) shared: Arc<Shared<'scope, E>>,
    pub(crate) threads: &'scope thread::Scope<'scope, 'env>,
}

impl<'scope, 'env, E: Send + 'scope> Scope<'scope, 'env, E> {
    /// Spawns a task; never waits, never fails. At the limit it is the task that
    /// waits, first come first served. After the cancel the task is dropped
    /// unstarted, and counted in [`Stats::not_started`]. As
    /// [`Group::spawn`](crate::Group::spawn).
    pub fn spawn<F>(&self, task: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'scope,
    {
        let job = boxed(Carried::here(), task);
        match self.shared.state.reserve() {
            Reserved::Room { start } => self.push(job, start),
            // For those who go through the queue it is never full.
            Reserved::Full | Reserved::Cancelled => self.refuse(job),
        }
    }

    /// Spawns a task if it can start at once (Go: `TryGo`). As
    /// [`Group::try_spawn`](crate::Group::try_spawn).
    ///
    /// # Errors
    ///
    /// No slot is free, or the scope is cancelled; both hold the task.
    pub fn try_spawn<F>(&self, task: F) -> Result<(), TrySpawnError<F>>
    where
        F: FnOnce() -> Result<(), E> + Send + 'scope,
    {
        match self.try_place() {
            Ok(place) => {
                self.fill(place, task);
                Ok(())
            }
            Err(why) => Err(TrySpawnError::new(why, task)),
        }
    }

    /// Blocks until there is room, and spawns the task (Go: `Go`). The cancel
    /// wakes it. Called from inside a task of the same scope it does not wait:
    /// the slot could be its own. As
    /// [`Group::spawn_wait`](crate::Group::spawn_wait).
    ///
    /// # Errors
    ///
    /// The scope was cancelled before there was room; holds the task.
    pub fn spawn_wait<F>(&self, task: F) -> Result<(), SpawnError<F>>
    where
        F: FnOnce() -> Result<(), E> + Send + 'scope,
    {
        match self.place() {
            Ok(place) => {
                self.fill(place, task);
                Ok(())
            }
            Err(reason) => Err(SpawnError::Cancelled(task, reason)),
        }
    }

    /// Cancels by hand; as [`Group::cancel`](crate::Group::cancel). Tasks that
    /// run are not stopped: they see it by [`is_cancelled`](Self::is_cancelled).
    pub fn cancel(&self) {
        Engine::cancel(self, Cause::Cancelled);
    }

    /// Whether the scope is cancelled, or has ended. What happened before the
    /// cancel is then visible, and [`with_cause`](Self::with_cause) finds the
    /// cause.
    pub fn is_cancelled(&self) -> bool {
        self.shared.state.is_cancelled()
    }

    /// Reads why the scope was cancelled (Go: `context.Cause`); as
    /// [`Handle::with_cause`](crate::Handle::with_cause).
    pub fn with_cause<R>(&self, read: impl FnOnce(&Cause<E>) -> R) -> Option<R> {
        self.shared.state.with_cause(read)
    }

    /// The error for which the scope was cancelled, to keep: take `Arc<YourError>` for
    /// `E`; as [`Handle::error`](crate::Handle::error). `None` if the cause is another.
    pub fn error(&self) -> Option<E>
    where
        E: Clone,
    {
        self.with_cause(Cause::error).flatten()
    }

    /// Why the scope was cancelled, in a word; as
    /// [`Handle::reason`](crate::Handle::reason).
    pub fn reason(&self) -> Option<Reason> {
        self.shared.state.reason()
    }

    /// Changes how many tasks run at once (Go: `SetLimit`); as
    /// [`Handle::set_limit`](crate::Handle::set_limit).
    pub fn set_limit(&self, limit: usize) {
        self.shared.state.set_limit(limit);
        self.refill();
    }

    /// Changes how many tasks [`spawn_wait`](Self::spawn_wait) lets in beyond the
    /// limit; as [`Handle::set_backlog`](crate::Handle::set_backlog).
    pub fn set_backlog(&self, tasks: usize) {
        self.shared.state.set_backlog(tasks);
        self.refill();
    }

    /// Lets [`scope()`] return a panic as an error, in place of going on with it;
    /// as [`Group::panics_as_errors`](crate::Group::panics_as_errors).
    pub fn panics_as_errors(&self, convert: impl FnOnce(Panic) -> E + Send + 'scope) {
        let replaced = lock(&self.shared.on_panic).replace(Box::new(convert));
        drop(replaced);
    }

    /// Lets the rest go on after an error, which [`scope()`] returns if it was the
    /// first (Go: the zero `errgroup.Group`); as [`Group::go_on`](crate::Group::go_on).
    /// An error of the body still cancels.
    ///
    /// ```
    /// let ended = errgroup::scope(|group| {
    ///     group.set_limit(1);
    ///     group.go_on();
    ///     for n in 0..10 {
    ///         group.spawn(move || if n % 3 == 1 { Err(n) } else { Ok(()) });
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(ended, Err(1));
    /// ```
    pub fn go_on(&self) {
        self.shared.state.set_on_error(OnError::GoOn);
    }

    /// Lets errors of tasks do nothing at all but be counted, in [`Stats::failed`]; as
    /// [`Group::ignore_errors`](crate::Group::ignore_errors). An error of the body still
    /// cancels.
    ///
    /// ```
    /// let ended = errgroup::scope(|group| {
    ///     group.ignore_errors();
    ///     group.spawn(|| Err("nobody minds"));
    ///     let value = group.spawn_value(|| Ok(7));
    ///     Ok(value.join().unwrap_or(0))
    /// });
    /// assert_eq!(ended, Ok(7));
    /// ```
    pub fn ignore_errors(&self) {
        self.shared.state.set_on_error(OnError::Ignore);
    }

    /// Tasks that are in the scope: running, or waiting for a slot.
    pub fn len(&self) -> usize {
        let stats = self.stats();
        stats.running + stats.pending
    }

    /// Whether no task is in the scope.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Figures, at this moment.
    pub fn stats(&self) -> Stats {
        self.shared.state.stats()
    }

    pub(crate) fn number(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }
}

impl<E> Clone for Scope<'_, '_, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            threads: self.threads,
        }
    }
}

impl<'scope, E: Send + 'scope> fmt::Debug for Scope<'scope, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("stats", &self.stats())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
