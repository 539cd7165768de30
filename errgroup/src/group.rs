//! The owner of a group.

use std::fmt;
use std::future::poll_fn;

use crate::cancelled::Cancelled;
use crate::cause::{Cause, Reason};
use crate::engine::Engine;
use crate::error::TrySpawnError;
use crate::follow::Follows;
use crate::handle::Handle;
use crate::joined::Joined;
use crate::panic::Panic;
use crate::shared::Shared;
use crate::spawn_wait::SpawnWait;
use crate::stats::Stats;
use crate::verdict::OnError;
use crate::wait_error::WaitError;

/// Tasks that belong together: a limit on how many run at once, the first error
/// cancels the rest, and [`wait`](Self::wait) returns when every task is gone.
///
/// # How tasks run
///
/// On *runners*, which are tokio tasks: each polls a task to its end and then takes the
/// next, so that most tasks are spawned without tokio. A task that waits keeps its runner
/// and holds nobody back: another one is started for those that are left, up to the
/// limit. After 16 tasks in a row a runner yields to the runtime. What comes of it:
///
/// - Tasks may share a tokio task, one after another: `tokio::task::id()` is the runner's,
///   and so is the budget of tokio's that makes who has done much wait for the next turn.
///   A scope of `tokio::task_local!` is a future's, as ever. Who needs a tokio task to
///   itself awaits a `tokio::spawn` in the task.
/// - If tasks are spawned from several runtimes, any of these may run any of them, and one
///   that is shut down takes those with it that it runs.
/// - Whoever is woken by a task may have to wait for its thread until the runner yields.
///   Jobs that block belong into [`spawn_blocking`](Handle::spawn_blocking).
///
/// Dropping it cancels ([`Cause::Dropped`]) without waiting. Made anywhere,
/// also outside of a runtime.
#[must_use = "a dropped group is cancelled"]
pub struct Group<E: Send + 'static> {
    pub(crate) handle: Handle<E>,
    on_panic: Option<OnPanic<E>>,
    /// A parent, if it has one.
    pub(crate) follows: Option<Box<dyn Follows>>,
}

type OnPanic<E> = Box<dyn FnOnce(Panic) -> E + Send + Sync>;

impl<E: Send + 'static> Group<E> {
    /// A group without a limit (Go: `errgroup.WithContext`; every group can be
    /// cancelled).
    pub fn new() -> Self {
        Self {
            handle: Handle {
                shared: Shared::new(),
            },
            on_panic: None,
            follows: None,
        }
    }

    /// Bounds how many tasks run at once (Go: `SetLimit`); `usize::MAX` is no
    /// limit. See [`Handle::set_limit`] for 0 and for changes while it runs.
    pub fn limit(self, limit: usize) -> Self {
        self.handle.set_limit(limit);
        self
    }

    /// Sets how many tasks [`spawn_wait`](Self::spawn_wait) lets in beyond the
    /// limit; see [`Handle::set_backlog`].
    pub fn backlog(self, tasks: usize) -> Self {
        self.handle.set_backlog(tasks);
        self
    }

    /// Lets [`wait`](Self::wait) return a panic as an error, in place of going on
    /// with it. Siblings find it as [`Cause::Panicked`], as ever, and it has
    /// precedence over errors. [`record_panics`](crate::record_panics) adds the
    /// place and the backtrace.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::Group;
    ///
    /// let group = Group::new().panics_as_errors(|panic| panic.to_string());
    /// group.spawn(async { panic!("at the disco") });
    /// let error = group.wait().await.unwrap_err();
    /// assert_eq!(error, "a task panicked: at the disco");
    /// # });
    /// ```
    pub fn panics_as_errors(
        mut self,
        convert: impl FnOnce(Panic) -> E + Send + Sync + 'static,
    ) -> Self {
        self.on_panic = Some(Box::new(convert));
        self
    }

    /// Lets the rest go on after an error, which [`wait`](Self::wait) returns if it
    /// was the first (Go: the zero `errgroup.Group`). Errors that were not the first
    /// are only counted, in [`Stats::failed`]. A panic, a deadline and a cancel by
    /// hand still cancel.
    pub fn go_on(self) -> Self {
        self.handle.shared.state.set_on_error(OnError::GoOn);
        self
    }

    /// Lets errors of tasks do nothing at all but be counted, in [`Stats::failed`]:
    /// no cancel, and no error at [`wait`](Self::wait). A panic, a deadline and a
    /// cancel by hand still cancel.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let group = errgroup::Group::new().ignore_errors();
    /// for n in 0..10 {
    ///     group.spawn(async move { if n % 3 == 0 { Err(n) } else { Ok(()) } });
    /// }
    /// let handle = group.handle();
    /// assert_eq!(group.wait().await, Ok(()));
    /// assert_eq!(handle.stats().failed, 4);
    /// # });
    /// ```
    pub fn ignore_errors(self) -> Self {
        self.handle.shared.state.set_on_error(OnError::Ignore);
        self
    }

    /// A handle, to spawn from inside the group's tasks, to cancel and to watch.
    pub fn handle(&self) -> Handle<E> {
        self.handle.clone()
    }

    /// Waits until every task is gone, and returns the first error (Go:
    /// `Wait`). Tasks spawned meanwhile, from inside or by a handle, count. An
    /// empty group is done at once. Afterwards handles find the group cancelled,
    /// with the cause [`Ended`](Cause::Ended).
    ///
    /// Every task is gone means: ended and dropped, with all it held; or dropped
    /// unstarted.
    ///
    /// Dropping this future before it is ready drops the group, which cancels
    /// it.
    ///
    /// # Errors
    ///
    /// The first error that a task returned. A cancel by hand is no error, and
    /// hides none.
    ///
    /// # Panics
    ///
    /// If a task panicked, goes on with the first panic, with its payload; it
    /// has precedence over an error. Not with
    /// [`panics_as_errors`](Self::panics_as_errors).
    ///
    /// If the runtime was shut down and dropped a task before it was done, and there
    /// is no error that says more: work that was lost is not taken for done.
    /// [`try_wait`](Self::try_wait) returns both.
    pub async fn wait(self) -> Result<(), E> {
        self.try_wait().await.or_else(WaitError::settle)
    }

    /// As [`wait`](Self::wait), but tells every end from the others: a panic is
    /// returned, with place and backtrace if [`record_panics`](crate::record_panics)
    /// was called; and `Ok` means that every task was done.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::{Group, WaitError};
    ///
    /// let group = Group::<String>::new();
    /// group.cancel();
    /// group.spawn(async { Ok(()) });                      // is not started
    /// assert!(matches!(group.try_wait().await, Err(WaitError::Cancelled)));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The first panic, unless [`panics_as_errors`](Self::panics_as_errors) makes an
    /// error of it; or else the first error; or else that the group was cancelled by
    /// hand, or a task dropped by the runtime.
    pub async fn try_wait(mut self) -> Result<(), WaitError<E>> {
        let ended = poll_fn(|cx| self.handle.shared.state.poll_join(cx)).await;
        self.handle.shared.spares.clear();
        ended.map_err(|why| why.convert(self.on_panic.take()))
    }

    /// See [`Handle::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[inline]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.handle.spawn(task);
    }

    /// See [`Handle::try_spawn`].
    ///
    /// # Errors
    ///
    /// No slot is free, or the group is cancelled; both hold the task.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[inline]
    pub fn try_spawn<F>(&self, task: F) -> Result<(), TrySpawnError<F>>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.handle.try_spawn(task)
    }

    /// See [`Handle::spawn_wait`].
    ///
    /// # Errors
    ///
    /// The group was cancelled before a slot was free; holds the task.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime.
    pub fn spawn_wait<F>(&self, task: F) -> SpawnWait<'_, F, E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.handle.spawn_wait(task)
    }

    /// See [`Handle::spawn_value`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_value<T, F>(&self, task: F) -> Joined<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.handle.spawn_value(task)
    }

    /// See [`Handle::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'static,
    {
        self.handle.spawn_blocking(job);
    }

    /// See [`Handle::cancel`].
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// See [`Handle::is_cancelled`].
    pub fn is_cancelled(&self) -> bool {
        self.handle.is_cancelled()
    }

    /// See [`Handle::cancelled`].
    pub fn cancelled(&self) -> Cancelled<'_, E> {
        self.handle.cancelled()
    }

    /// See [`Handle::reason`].
    pub fn reason(&self) -> Option<Reason> {
        self.handle.reason()
    }

    /// See [`Handle::with_cause`].
    pub fn with_cause<R>(&self, read: impl FnOnce(&Cause<E>) -> R) -> Option<R> {
        self.handle.with_cause(read)
    }

    /// See [`Handle::set_limit`].
    pub fn set_limit(&self, limit: usize) {
        self.handle.set_limit(limit);
    }

    /// See [`Handle::set_backlog`].
    pub fn set_backlog(&self, tasks: usize) {
        self.handle.set_backlog(tasks);
    }

    /// See [`Handle::len`].
    pub fn len(&self) -> usize {
        self.handle.len()
    }

    /// See [`Handle::is_empty`].
    pub fn is_empty(&self) -> bool {
        self.handle.is_empty()
    }

    /// See [`Handle::stats`].
    pub fn stats(&self) -> Stats {
        self.handle.stats()
    }
}

impl<E: Send + 'static> Default for Group<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Send + 'static> Drop for Group<E> {
    fn drop(&mut self) {
        self.handle.shared.cancel(Cause::Dropped);
    }
}

impl<E: Send + 'static> fmt::Debug for Group<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("stats", &self.stats())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
