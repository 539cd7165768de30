//! Tasks with values: what each came to, in order of spawn or as they end.

use std::fmt;
use std::future::poll_fn;
#[cfg(feature = "stream")]
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::error::{SpawnError, TrySpawnError};
use crate::gathered::Gathered;
use crate::group::Group;
use crate::handle::Handle;
use crate::panic::caught;
use crate::place::{Caller, Place};
use crate::policy::{Policy, Tally};
use crate::report::{Outcome, TaskReport, Unsent};
use crate::wait_error::WaitError;

/// A group whose tasks have values, and whose [`Policy`] says when it has
/// enough. Whatever the policy, the outcome of every task is kept.
///
/// At the cancel tasks that run are dropped at their next await, or after the
/// [`grace`](Self::grace). Dropping a gather cancels it.
///
/// ```
/// use errgroup::{Gather, Policy};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let replicas = ["down", "up", "slow"];
/// let gather = Gather::new().policy(Policy::FirstSuccess);
/// for replica in replicas {
///     gather.spawn(async move {
///         match replica {
///             "down" => Err("refused"),
///             "slow" => std::future::pending().await,
///             up => Ok(up),
///         }
///     });
/// }
/// assert_eq!(gather.wait().await.first_done(), Ok("up"));
/// # });
/// ```
#[must_use = "a dropped gather is cancelled"]
pub struct Gather<T, E> {
    group: Group<usize>,
    spawned: AtomicUsize,
    tally: Arc<Tally>,
    ended: UnboundedReceiver<TaskReport<T, E>>,
    tell: UnboundedSender<TaskReport<T, E>>,
    received: usize,
    grace: Duration,
}

impl<T: Send + 'static, E: Send + 'static> Gather<T, E> {
    /// A gather without a limit, with the policy
    /// [`FirstError`](Policy::FirstError).
    pub fn new() -> Self {
        let (tell, ended) = unbounded_channel();
        Self {
            group: Group::new(),
            spawned: AtomicUsize::new(0),
            tally: Arc::new(Tally::new(Policy::default())),
            ended,
            tell,
            received: 0,
            grace: Duration::ZERO,
        }
    }

    /// Bounds how many tasks run at once; as [`Group::limit`].
    pub fn limit(self, limit: usize) -> Self {
        self.group.set_limit(limit);
        self
    }

    /// Sets when it has enough; before the first task.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.tally = Arc::new(Tally::new(policy));
        if policy == Policy::Any(0) {
            self.group.cancel();
        }
        self
    }

    /// Gives tasks so long after the cancel to end by themselves; zero unless
    /// set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Cancels the gather at that time, unless it has ended; what was not done by
    /// then is [`Cancelled`](Outcome::Cancelled) or
    /// [`NotStarted`](Outcome::NotStarted).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn deadline(mut self, at: tokio::time::Instant) -> Self {
        self.group = self.group.cancel_when(tokio::time::sleep_until(at));
        self
    }

    /// To cancel, to change the limit and to watch. The cause of a failure is
    /// the index of the task that failed.
    pub fn handle(&self) -> Handle<usize> {
        self.group.handle()
    }

    /// Spawns a task and returns its index; as [`Group::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.spawn_named(String::new(), task)
    }

    /// As [`spawn`](Self::spawn), with a name for the report.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (index, task) = self.member(name.into(), task);
        self.group.spawn(task);
        index
    }

    /// Spawns a task if it can start at once, and returns its index; as
    /// [`Group::try_spawn`].
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
        match self.group.handle.try_place() {
            Ok(place) => Ok(self.fill(place, task)),
            Err(why) => Err(TrySpawnError::new(why, task)),
        }
    }

    /// Waits for room, spawns the task and returns its index; as
    /// [`Group::spawn_wait`]. Cancel safe: dropped before it is ready, it leaves
    /// the gather as it was, and drops the task.
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
        let mut caller = Caller::new(&self.group.handle);
        match poll_fn(|cx| caller.poll_place(cx)).await {
            Ok(place) => Ok(self.fill(place, task)),
            Err(reason) => Err(SpawnError::Cancelled(task, reason)),
        }
    }

    /// Spawns a job that blocks, on a thread of the runtime's for such jobs, and
    /// returns its index; as [`Group::spawn_blocking`]. Once it runs it comes to its
    /// own end, whatever the grace.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let mut report = self.report(String::new());
        let (index, tally, handle) = (report.index(), Arc::clone(&self.tally), self.handle());
        self.group.spawn_blocking(move || {
            report.start();
            tally.conclude(Outcome::of(caught(job)), report, || handle.cancel())
        });
        index
    }

    fn fill<F>(&self, place: Place, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (index, task) = self.member(String::new(), task);
        self.group.handle.fill(place, task);
        index
    }

    fn report(&self, name: String) -> Unsent<T, E> {
        let index = self.spawned.fetch_add(1, Relaxed);
        Unsent::new(index, name, self.tell.clone())
    }

    /// The task as one of the group, and its index.
    fn member<F>(
        &self,
        name: String,
        task: F,
    ) -> (
        usize,
        impl Future<Output = Result<(), usize>> + Send + use<F, T, E>,
    )
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut report = self.report(name);
        let index = report.index();
        let (grace, tally, handle) = (self.grace, Arc::clone(&self.tally), self.handle());
        let member = async move {
            report.start();
            let outcome = unless_cancelled(&handle, grace, task).await;
            tally.conclude(outcome, report, || handle.cancel())
        };
        (index, member)
    }

    /// The next task that has ended, in the order in which they end; `None` once
    /// all that were spawned have been returned. Cancel safe: what is not
    /// returned stays.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut gather = errgroup::Gather::<u32, String>::new().limit(4);
    /// (0..10).for_each(|n| { gather.spawn(async move { Ok(n) }); });
    /// let mut sum = 0;
    /// while let Some(report) = gather.next().await {
    ///     sum += report.outcome.done().unwrap_or(0);      // whoever ends first
    /// }
    /// assert_eq!(sum, 45);
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<TaskReport<T, E>> {
        poll_fn(|cx| self.poll_next_report(cx)).await
    }

    fn poll_next_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<TaskReport<T, E>>> {
        if self.received == *self.spawned.get_mut() {
            return Poll::Ready(None);
        }
        let report = ready!(self.ended.poll_recv(cx));
        self.received += 1;
        Poll::Ready(report)
    }

    /// Waits until every task is gone, and returns what became of those that
    /// [`next`](Self::next) has not returned. Dropping this future cancels.
    pub async fn wait(mut self) -> Gathered<T, E> {
        let mut reports = Vec::new();
        while let Some(report) = self.next().await {
            reports.push(report);
        }
        // Told of its end is not yet gone. What the runtime has dropped has a report.
        let failed = match self.group.try_wait().await {
            Err(WaitError::Failed(index)) => Some(index),
            Err(WaitError::Panicked(panic)) => panic.resume(),
            Ok(()) | Err(WaitError::Cancelled | WaitError::Aborted) => None,
        };
        Gathered::new(reports, failed)
    }
}

impl<T: Send + 'static, E: Send + 'static> Default for Gather<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

/// What its tasks come to, in the order in which they end; as
/// [`next`](Gather::next), so it goes on if more is spawned after the end.
#[cfg(feature = "stream")]
impl<T: Send + 'static, E: Send + 'static> futures_core::Stream for Gather<T, E> {
    type Item = TaskReport<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next_report(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.spawned.load(Relaxed) - self.received;
        (left, None)
    }
}

impl<T, E> Unpin for Gather<T, E> {}

impl<T, E> fmt::Debug for Gather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("policy", &self.tally.policy())
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The task, until it is done or its time after the cancel is up.
async fn unless_cancelled<T, E, F>(
    handle: &Handle<usize>,
    grace: Duration,
    task: F,
) -> Outcome<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut task = pin!(task);
    let mut attempt = poll_fn(|cx| match caught(|| task.as_mut().poll(cx)) {
        Ok(polled) => polled.map(|result| Outcome::of(Ok(result))),
        Err(panic) => Poll::Ready(Outcome::of(Err(panic))),
    });
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
