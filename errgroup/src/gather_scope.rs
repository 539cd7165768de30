//! Values over OS threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cause::Cause;
use crate::error::{SpawnError, TrySpawnError};
use crate::gathered::Gathered;
use crate::named::named_job;
use crate::park::until_ready;
use crate::policy::{Policy, Tally};
use crate::report::{TaskReport, Unsent};
use crate::reported::Reported;
use crate::scope::{Scope, scope};
use crate::scope_place::Place;
use crate::sync::{Mutex, lock};

/// Runs tasks with values on OS threads, under a policy, and returns what became
/// of each once all are gone: [`Gather`](crate::Gather) for a [`scope()`]. Blocks.
///
/// A task that runs cannot be dropped, so after the cancel it goes on until it
/// sees it, and its outcome is kept as any other.
///
/// ```
/// use errgroup::{Policy, gather_scope};
///
/// let pages = ["one", "two", "three"];
/// let lengths = gather_scope::<_, String, _>(Policy::All, |gather| {
///     gather.scope().set_limit(2);
///     for page in &pages {
///         gather.spawn(|| Ok(page.len()));
///     }
/// });
/// assert_eq!(lengths.into_values(), Ok(vec![3, 3, 5]));
/// ```
///
/// # Panics
///
/// If `body` panicked, goes on with it once all tasks are gone. A panic of a task
/// is its outcome.
pub fn gather_scope<'env, T, E, F>(policy: Policy, body: F) -> Gathered<T, E>
where
    T: Send + 'env,
    E: Send + 'env,
    F: for<'scope> FnOnce(&GatherScope<'scope, 'env, T, E>),
{
    gather(policy, |_| (), body)
}

impl<'scope, E: Send + 'scope> Scope<'scope, '_, E> {
    /// Runs tasks with values, as [`gather_scope`] does, that are cancelled when this scope
    /// is cancelled; as [`child`](Self::child). A failure of theirs is contained, unless
    /// `body` has [`scope`](GatherScope::scope) told to
    /// [`escalate_to`](Self::escalate_to) this one: under the policy
    /// [`FirstError`](Policy::FirstError), as under others nothing fails.
    ///
    /// ```
    /// use errgroup::Policy;
    ///
    /// let ended = errgroup::scope(|parent| {
    ///     let pages = ["one", "two", "three"];
    ///     let lengths = parent.child_gather::<_, &str, _>(Policy::FirstError, |gather| {
    ///         // gather.scope().escalate_to(parent) would cancel the parent, too.
    ///         for page in &pages {
    ///             gather.spawn(|| if page.len() < 5 { Ok(page.len()) } else { Err("long") });
    ///         }
    ///     });
    ///     assert_eq!(lengths.failed(), 1);
    ///     assert!(!parent.is_cancelled());
    ///     Ok::<(), ()>(())
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    ///
    /// # Panics
    ///
    /// If `body` panicked, goes on with it. If the system has no thread left.
    pub fn child_gather<'outer, T, C, F>(&'outer self, policy: Policy, body: F) -> Gathered<T, C>
    where
        T: Send + 'outer,
        C: Send + 'outer,
        F: for<'child> FnOnce(&GatherScope<'child, 'outer, T, C>),
    {
        gather(policy, |child| child.follow(self), body)
    }
}

/// Has `first` called before `body`.
fn gather<'env, T, E, F>(
    policy: Policy,
    first: impl for<'scope> FnOnce(&Scope<'scope, 'env, usize>),
    body: F,
) -> Gathered<T, E>
where
    T: Send + 'env,
    E: Send + 'env,
    F: for<'scope> FnOnce(&GatherScope<'scope, 'env, T, E>),
{
    let (tell, told) = unbounded_channel();
    let told = Arc::new(Mutex::new(Told { told, taken: 0 }));
    let told_later = Arc::clone(&told);
    let tally = Arc::new(Tally::new(policy));
    let failed = scope(|scope| {
        first(scope);
        if policy == Policy::Any(0) {
            scope.cancel();
        }
        body(&GatherScope {
            scope: scope.clone(),
            spawned: Arc::default(),
            tally,
            tell,
            told,
        });
        Ok(())
    });
    let mut reports = Vec::new();
    let mut told = lock(&told_later);
    while let Ok(report) = told.told.try_recv() {
        reports.push(report);
    }
    Gathered::new(reports, failed.err())
}

/// Spawns into a [`gather_scope`]. Clone it to spawn from inside the tasks.
pub struct GatherScope<'scope, 'env: 'scope, T, E> {
    scope: Scope<'scope, 'env, usize>,
    spawned: Arc<AtomicUsize>,
    tally: Arc<Tally>,
    tell: UnboundedSender<TaskReport<T, E>>,
    told: Arc<Mutex<Told<T, E>>>,
}

/// What tasks have come to.
struct Told<T, E> {
    told: UnboundedReceiver<TaskReport<T, E>>,
    /// Of which so many were asked for.
    taken: usize,
}

impl<'scope, 'env, T, E> GatherScope<'scope, 'env, T, E>
where
    T: Send + 'scope,
    E: Send + 'scope,
{
    /// Spawns a task and returns its index; as [`Scope::spawn`].
    pub fn spawn<F>(&self, task: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let (index, task) = self.member(task);
        self.scope.spawn(task);
        index
    }

    /// As [`spawn`](Self::spawn), with a name: [`named_job`].
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        self.spawn(named_job(name.into(), task))
    }

    /// Spawns a task if it can start at once, and returns its index; as
    /// [`Scope::try_spawn`].
    ///
    /// ```
    /// use errgroup::{Policy, gather_scope};
    ///
    /// let gathered = gather_scope::<u32, (), _>(Policy::All, |gather| {
    ///     gather.scope().set_limit(0);
    ///     let refused = gather.try_spawn(|| Ok(5)).unwrap_err();
    ///     assert!(refused.is_full());
    ///     gather.scope().set_limit(1);
    ///     gather.spawn(refused.into_task());
    /// });
    /// assert_eq!(gathered.into_values(), Ok(vec![5]));
    /// ```
    ///
    /// # Errors
    ///
    /// No slot is free, or the scope is cancelled; both hold the task, which then has no
    /// index and no report.
    pub fn try_spawn<F>(&self, task: F) -> Result<usize, TrySpawnError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        match self.scope.try_place() {
            Ok(place) => Ok(self.fill(place, task)),
            Err(why) => Err(TrySpawnError::new(why, task)),
        }
    }

    /// Blocks until there is room, spawns the task and returns its index; as
    /// [`Scope::spawn_wait`].
    ///
    /// # Errors
    ///
    /// The scope was cancelled, maybe because there is enough, before there was room;
    /// holds the task, which then has no index and no report.
    pub fn spawn_wait<F>(&self, task: F) -> Result<usize, SpawnError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        match self.scope.place() {
            Ok(place) => Ok(self.fill(place, task)),
            Err(reason) => Err(SpawnError::Cancelled(task, reason)),
        }
    }

    fn fill<F>(&self, place: Place, task: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let (index, task) = self.member(task);
        self.scope.fill(place, task);
        index
    }

    /// The task as one of the scope, and its index.
    fn member<F>(
        &self,
        task: F,
    ) -> (
        usize,
        impl FnOnce() -> Result<(), usize> + Send + use<'scope, 'env, F, T, E>,
    )
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let index = self.spawned.fetch_add(1, Relaxed);
        let mut task = Reported::new(task, Unsent::new(index, self.tell.clone()));
        let (scope, tally) = (self.scope.clone(), Arc::clone(&self.tally));
        let member = move || {
            let outcome = task.call();
            tally.conclude(outcome, &mut task.report, || scope.cancel())
        };
        (index, member)
    }

    /// The next task that has ended, in the order in which they end; blocks until there
    /// is one. `None` if all that were spawned so far have been returned. What this
    /// returns [`gather_scope`] does not. As [`Gather::next`](crate::Gather::next).
    ///
    /// A task that asks holds its slot meanwhile, and is itself one that has not ended.
    ///
    /// ```
    /// use errgroup::{Policy, gather_scope};
    ///
    /// let mut sum = 0;
    /// gather_scope::<u32, (), _>(Policy::All, |gather| {
    ///     gather.scope().set_limit(4);
    ///     (0..10).for_each(|n| { gather.spawn(move || Ok(n)); });
    ///     while let Some(report) = gather.next() {
    ///         sum += report.outcome.done().unwrap_or(0);      // whoever ends first
    ///     }
    /// });
    /// assert_eq!(sum, 45);
    /// ```
    pub fn next(&self) -> Option<TaskReport<T, E>> {
        // Kept while this waits: the channel wakes one only. Others wait for the lock.
        let mut told = lock(&self.told);
        if told.taken == self.spawned.load(Relaxed) {
            return None;
        }
        let report = until_ready(|cx| told.told.poll_recv(cx))?;
        told.taken += 1;
        Some(report)
    }

    /// To cancel, to change the limit and to watch. The cause of a failure is the
    /// index of the task that failed.
    pub fn scope(&self) -> &Scope<'scope, 'env, usize> {
        &self.scope
    }

    /// Cancels by hand at that time, unless it has ended; see
    /// [`Scope::deadline`].
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn deadline(&self, at: Instant) {
        self.scope.cancel_at(at, Cause::Cancelled);
    }
}

impl<T, E> Clone for GatherScope<'_, '_, T, E> {
    fn clone(&self) -> Self {
        Self {
            scope: self.scope.clone(),
            spawned: Arc::clone(&self.spawned),
            tally: Arc::clone(&self.tally),
            tell: self.tell.clone(),
            told: Arc::clone(&self.told),
        }
    }
}

impl<T, E> fmt::Debug for GatherScope<'_, '_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherScope")
            .field("policy", &self.tally.policy())
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
