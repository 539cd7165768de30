//! Tasks with values: what each came to, in order of spawn or as they end.

use std::fmt;
use std::future::poll_fn;
#[cfg(feature = "stream")]
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::{SpawnError, TrySpawnError};
use crate::gather_handle::GatherHandle;
use crate::gathered::Gathered;
use crate::group::Group;
use crate::policy::{Policy, Tally};
use crate::report::TaskReport;
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
    handle: GatherHandle<T, E>,
    ended: UnboundedReceiver<TaskReport<T, E>>,
    received: usize,
}

impl<T: Send + 'static, E: Send + 'static> Gather<T, E> {
    /// A gather without a limit, with the policy
    /// [`FirstError`](Policy::FirstError).
    pub fn new() -> Self {
        Self::over(Group::new())
    }

    /// A gather whose tasks run in that group.
    pub(crate) fn over(group: Group<usize>) -> Self {
        let (tell, ended) = unbounded_channel();
        Self {
            handle: GatherHandle::new(group.handle(), tell),
            group,
            ended,
            received: 0,
        }
    }

    /// Bounds how many tasks run at once; as [`Group::limit`].
    pub fn limit(self, limit: usize) -> Self {
        self.group.set_limit(limit);
        self
    }

    /// Sets how many tasks [`spawn_wait`](Self::spawn_wait) lets in beyond the limit; as
    /// [`Group::backlog`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// // As Go's `Go` does, this waits until one of the two has ended.
    /// let gather = errgroup::Gather::<u32, String>::new().limit(2).backlog(0);
    /// for n in 0..10 {
    ///     gather.spawn_wait(async move { Ok(n) }).await.unwrap();
    /// }
    /// assert_eq!(gather.wait().await.done(), 10);
    /// # });
    /// ```
    pub fn backlog(self, tasks: usize) -> Self {
        self.group.set_backlog(tasks);
        self
    }

    /// Sets when it has enough.
    ///
    /// # Panics
    ///
    /// If there was a task or is a [`handle`](Self::handle), which would go by another
    /// policy. (Settings of a [`Group`] that come late hold for what comes later.)
    pub fn policy(mut self, policy: Policy) -> Self {
        self.handle.settings("policy").tally = Tally::new(policy);
        if policy == Policy::Any(0) {
            self.group.cancel();
        }
        self
    }

    /// Gives tasks so long after the cancel to end by themselves; zero unless
    /// set.
    ///
    /// # Panics
    ///
    /// If there was a task or is a [`handle`](Self::handle), which would have another
    /// grace.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.handle.settings("grace").grace = grace;
        self
    }

    pub(crate) fn with_group(mut self, set: impl FnOnce(Group<usize>) -> Group<usize>) -> Self {
        self.group = set(self.group);
        self
    }

    /// A handle, to spawn from inside the tasks and from anywhere else;
    /// [`group`](GatherHandle::group) of it cancels, changes the limit and watches.
    pub fn handle(&self) -> GatherHandle<T, E> {
        self.handle.clone()
    }

    /// See [`GatherHandle::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.handle.spawn(task)
    }

    /// See [`GatherHandle::spawn_named`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_named<F>(&self, name: impl Into<String>, task: F) -> usize
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.handle.spawn_named(name, task)
    }

    /// See [`GatherHandle::try_spawn`].
    ///
    /// # Errors
    ///
    /// No slot is free, or the gather is cancelled; both hold the task.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn try_spawn<F>(&self, task: F) -> Result<usize, TrySpawnError<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.handle.try_spawn(task)
    }

    /// See [`GatherHandle::spawn_wait`].
    ///
    /// # Errors
    ///
    /// The gather was cancelled before there was room; holds the task.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime.
    pub async fn spawn_wait<F>(&self, task: F) -> Result<usize, SpawnError<F>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.handle.spawn_wait(task).await
    }

    /// See [`GatherHandle::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F) -> usize
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.handle.spawn_blocking(job)
    }

    /// The next task that has ended, in the order in which they end; `None` once
    /// all that were spawned so far have been returned, those included that tasks have
    /// spawned. Cancel safe: what is not returned stays.
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
        if self.received == self.handle.spawned() {
            return Poll::Ready(None);
        }
        let report = ready!(self.ended.poll_recv(cx));
        self.received += 1;
        Poll::Ready(report)
    }

    /// Waits until every task is gone, and returns what became of those that
    /// [`next`](Self::next) has not returned. Tasks spawned meanwhile, from inside or by a
    /// handle, count. Dropping this future cancels.
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
        // What handles have spawned after the last look. Nothing starts any more, but they
        // may go on to ask for it.
        let spawned = self.handle.spawned();
        while self.received < spawned
            && let Some(report) = self.ended.recv().await
        {
            if report.index < spawned {
                self.received += 1;
                reports.push(report);
            }
        }
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
        let left = self.handle.spawned() - self.received;
        (left, None)
    }
}

impl<T, E> Unpin for Gather<T, E> {}

impl<T, E> fmt::Debug for Gather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("policy", &self.handle.policy())
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
