//! Values over OS threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::cause::Cause;
use crate::error::{SpawnError, TrySpawnError};
use crate::gathered::Gathered;
use crate::panic::caught;
use crate::policy::{Policy, Tally};
use crate::report::{Outcome, TaskReport, Unsent};
use crate::scope::{Scope, scope};
use crate::scope_place::Place;

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
    let (tell, mut told) = unbounded_channel();
    let tally = Arc::new(Tally::new(policy));
    let failed = scope(|scope| {
        if policy == Policy::Any(0) {
            scope.cancel();
        }
        body(&GatherScope {
            scope: scope.clone(),
            spawned: Arc::default(),
            tally,
            tell,
        });
        Ok(())
    });
    let mut reports = Vec::new();
    while let Ok(report) = told.try_recv() {
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
        self.spawn_named(String::new(), task)
    }

    /// As [`spawn`](Self::spawn), with a name for the report.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let (index, task) = self.member(name.into(), task);
        self.scope.spawn(task);
        index
    }

    /// Spawns a task if it can start at once, and returns its index; as
    /// [`Scope::try_spawn`].
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
        let (index, task) = self.member(String::new(), task);
        self.scope.fill(place, task);
        index
    }

    /// The task as one of the scope, and its index.
    fn member<F>(
        &self,
        name: String,
        task: F,
    ) -> (
        usize,
        impl FnOnce() -> Result<(), usize> + Send + use<'scope, 'env, F, T, E>,
    )
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
    {
        let index = self.spawned.fetch_add(1, Relaxed);
        let mut report = Unsent::new(index, name, self.tell.clone());
        let (scope, tally) = (self.scope.clone(), Arc::clone(&self.tally));
        let member = move || {
            report.start();
            tally.conclude(Outcome::of(caught(task)), report, || scope.cancel())
        };
        (index, member)
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
