//! The cloneable side of a gather.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::error::{SpawnError, TrySpawnError};
use crate::handle::Handle;
use crate::named::named;
use crate::place::{Caller, Place};
use crate::policy::{Policy, Tally};
use crate::report::{Outcome, TaskReport, Unsent};
use crate::reported::Reported;

/// Spawns into a [`Gather`](crate::Gather) from anywhere: from inside its tasks too, and
/// while [`next`](crate::Gather::next) or [`wait`](crate::Gather::wait) runs. What it
/// spawns has an index and a report as any other. Cheap to clone; does not keep the gather
/// going, and stays usable after it has ended (when all it does is refuse).
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let gather = errgroup::Gather::<u32, String>::new().limit(2);
/// let inside = gather.handle();
/// gather.spawn(async move {
///     for link in 1..4 {
///         inside.spawn(async move { Ok(link) });      // is found as this one runs
///     }
///     Ok(0)
/// });
/// assert_eq!(gather.wait().await.into_values(), Ok(vec![0, 1, 2, 3]));
/// # });
/// ```
pub struct GatherHandle<T, E> {
    shared: Arc<Shared<T, E>>,
}

/// What all handles and tasks of a gather share.
pub(crate) struct Shared<T, E> {
    group: Handle<usize>,
    spawned: AtomicUsize,
    pub(crate) tally: Tally,
    pub(crate) grace: Duration,
    tell: UnboundedSender<TaskReport<T, E>>,
}

impl<T: Send + 'static, E: Send + 'static> GatherHandle<T, E> {
    pub(crate) fn new(group: Handle<usize>, tell: UnboundedSender<TaskReport<T, E>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                group,
                spawned: AtomicUsize::new(0),
                tally: Tally::new(Policy::default()),
                grace: Duration::ZERO,
                tell,
            }),
        }
    }

    /// The handle of the group that the tasks run in: to cancel, to change the limit and
    /// to watch. The cause of a failure is the index of the task that failed. What is
    /// spawned by it has no value, no index and no report, and is waited for by
    /// [`Gather::wait`](crate::Gather::wait) only.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let gather = errgroup::Gather::<u32, String>::new();
    /// gather.spawn(std::future::pending());
    /// gather.handle().group().cancel();
    /// assert_eq!(gather.wait().await.done(), 0);
    /// # });
    /// ```
    pub fn group(&self) -> Handle<usize> {
        self.shared.group.clone()
    }

    /// Spawns a task and returns its index, in order of spawn; never waits, never fails,
    /// as [`Handle::spawn`]. After the cancel the task is dropped and reported as
    /// [`NotStarted`](Outcome::NotStarted); after the end of the gather nobody hears of it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (index, task) = self.member(task);
        self.shared.group.spawn(task);
        index
    }

    /// As [`spawn`](Self::spawn), with a name: [`named`](crate::named()).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn(named(name.into(), task))
    }

    /// Spawns a task if it can start at once, and returns its index; as
    /// [`Handle::try_spawn`].
    ///
    /// # Errors
    ///
    /// No slot is free, or the gather is cancelled; both hold the task, which then
    /// has no index and no report.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn try_spawn<F>(&self, task: F) -> Result<usize, TrySpawnError<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.shared.group.try_place() {
            Ok(place) => Ok(self.fill(place, task)),
            Err(why) => Err(TrySpawnError::new(why, task)),
        }
    }

    /// Waits for room, spawns the task and returns its index; as [`Handle::spawn_wait`],
    /// so inside a task of this gather it does not wait. Cancel safe: dropped before it is
    /// ready, it leaves the gather as it was, and drops the task.
    ///
    /// # Errors
    ///
    /// The gather was cancelled, maybe because it has enough, before there was room;
    /// holds the task, which then has no index and no report.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime.
    pub async fn spawn_wait<F>(&self, task: F) -> Result<usize, SpawnError<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut caller = Caller::new(&self.shared.group);
        match poll_fn(|cx| caller.poll_place(cx)).await {
            Ok(place) => Ok(self.fill(place, task)),
            Err(reason) => Err(SpawnError::Cancelled(task, reason)),
        }
    }

    /// Spawns a job that blocks, on a thread of the runtime's for such jobs, and
    /// returns its index; as [`Handle::spawn_blocking`]. Once it runs it comes to its
    /// own end, whatever the grace.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let (mut job, handle) = (self.reported(job), self.clone());
        let index = job.report.index();
        self.shared.group.spawn_blocking(move || {
            let outcome = job.call();
            handle.conclude(outcome, &mut job.report)
        });
        index
    }

    fn fill<F>(&self, place: Place, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (index, task) = self.member(task);
        self.shared.group.fill(place, task);
        index
    }

    /// The task as one of the group, and its index.
    fn member<F>(
        &self,
        task: F,
    ) -> (
        usize,
        impl Future<Output = Result<(), usize>> + Send + use<F, T, E>,
    )
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (task, handle) = (self.reported(task), self.clone());
        let index = task.report.index();
        let member = async move {
            let mut task = pin!(task);
            let Shared { group, grace, .. } = &*handle.shared;
            let outcome = unless_cancelled(group, *grace, task.as_mut()).await;
            let (outcome, report) = task.end(outcome);
            handle.conclude(outcome, report)
        };
        (index, member)
    }

    fn reported<F>(&self, task: F) -> Reported<F, T, E> {
        // Relaxed: who has seen the report of a task has seen what that spawned.
        let index = self.shared.spawned.fetch_add(1, Relaxed);
        Reported::new(task, Unsent::new(index, self.shared.tell.clone()))
    }

    fn conclude(&self, outcome: Outcome<T, E>, report: &mut Unsent<T, E>) -> Result<(), usize> {
        let Shared { tally, group, .. } = &*self.shared;
        tally.conclude(outcome, report, || group.cancel())
    }
}

impl<T, E> GatherHandle<T, E> {
    /// How many tasks were spawned so far.
    pub(crate) fn spawned(&self) -> usize {
        self.shared.spawned.load(Relaxed)
    }

    pub(crate) fn policy(&self) -> Policy {
        self.shared.tally.policy()
    }

    /// To set what tasks take along; a panic that tells of `what` if it comes too late.
    pub(crate) fn settings(&mut self, what: &str) -> &mut Shared<T, E> {
        let shared = Arc::get_mut(&mut self.shared);
        match shared.filter(|shared| shared.spawned.load(Relaxed) == 0) {
            Some(shared) => shared,
            None => panic!("the {what} of a gather is set before its first task and handle"),
        }
    }
}

impl<T, E> Clone for GatherHandle<T, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T, E> fmt::Debug for GatherHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherHandle")
            .field("policy", &self.policy())
            .field("group", &self.shared.group)
            .finish_non_exhaustive()
    }
}

/// The task, until it is done or its time after the cancel is up.
async fn unless_cancelled<T, E, F>(
    handle: &Handle<usize>,
    grace: Duration,
    mut task: Pin<&mut Reported<F, T, E>>,
) -> Outcome<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut attempt = poll_fn(|cx| task.as_mut().poll_outcome(cx));
    let mut cancelled = pin!(handle.cancelled());
    let ended = poll_fn(|cx| {
        if let Poll::Ready(outcome) = pin!(&mut attempt).poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        cancelled.as_mut().poll(cx).map(|()| None)
    });
    match ended.await {
        Some(outcome) => outcome,
        None if grace.is_zero() => Outcome::Cancelled,
        None => {
            let rest = tokio::time::timeout(grace, attempt).await;
            rest.unwrap_or(Outcome::Cancelled)
        }
    }
}
