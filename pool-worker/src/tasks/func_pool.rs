//! One async function over many arguments, on tasks.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::block_on::block_on;
use crate::dispatcher::{Dispatcher, Rejected};
use crate::error::{CloseError, CloseReason, DisplaceError, Reason, SubmitError};
use crate::face::face;
use crate::options::Builder;
use crate::span::Carried;
use crate::submit::{Submission, to_wait};
use crate::tasks::work::give_way;
use crate::try_submit::{BulkError, TrySubmit};
use crate::wait::{End, until};

/// A pool of tasks that run one async function; a job is its argument, and
/// nothing is boxed. Answers to `PoolWithFuncGeneric` of `ants`.
///
/// Shared by reference or [`Arc`]. See the [module](super) for what a drop
/// does.
///
/// ```
/// use pool_worker::tasks::FuncPool;
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let (results, mut received) = tokio::sync::mpsc::unbounded_channel();
/// let pool = FuncPool::builder().capacity(2).build(move |n: u64| {
///     let results = results.clone();
///     async move { results.send(n * n).unwrap() }
/// });
/// for n in 1..=3 {
///     pool.submit(n).await?;
/// }
/// pool.close(Duration::from_secs(5)).await?;
/// let mut sum = 0;
/// while let Ok(square) = received.try_recv() {
///     sum += square;
/// }
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct FuncPool<T: Send + 'static> {
    pub(super) dispatcher: Arc<Dispatcher<Carried<T>>>,
    /// Runs a job in the task of its submitter.
    pub(super) here: Box<dyn Fn(T) -> Here + Send + Sync>,
}

pub(super) type Here = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<T: Send + 'static> FuncPool<T> {
    /// A pool with this capacity and the defaults of [`builder`](Self::builder).
    ///
    /// # Panics
    /// As [`Builder::build`].
    pub fn new<F, Fut>(capacity: usize, run: F) -> Self
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::builder().capacity(capacity).build(run)
    }

    /// The options of a pool. The capacity is 64 times the
    /// [`available_parallelism`](std::thread::available_parallelism) by
    /// default.
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// Accepts the argument of a job; waits while the pool is full.
    ///
    /// Dropped while it waits, the job is dropped too, unless it was accepted
    /// just then; the others in the line do not notice.
    ///
    /// # Errors
    /// [`Reason::Closed`], also when the pool is closed while this waits;
    /// [`Reason::Crowded`]; and [`Reason::Nested`] where a job would wait for
    /// room in its own pool; with the argument.
    pub async fn submit(&self, job: T) -> Result<(), SubmitError<T>> {
        match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => Ok(()),
            Err(rejected) => self.wait(rejected).await,
        }
    }

    /// Accepts the argument of a job; waits for at most `limit` while the pool
    /// is full. Dropped while it waits, it is as [`submit`](Self::submit).
    ///
    /// # Panics
    /// When it must wait and is not called in a runtime with time enabled.
    ///
    /// # Errors
    /// [`Reason::Timeout`], and those of [`submit`](Self::submit); with the
    /// argument.
    pub async fn submit_timeout(&self, job: T, limit: Duration) -> Result<(), SubmitError<T>> {
        let Some(job) = self.offer_to_wait(job, true)? else {
            return Ok(());
        };
        let mut submission = Submission::new(&self.dispatcher, job);
        timeout(limit, &mut submission)
            .await
            .unwrap_or_else(|_elapsed| submission.give_up())
            .map_err(|rejected| self.refuse(rejected))
    }

    /// Accepts the argument of a job; waits until `deadline` at most while the
    /// pool is full. By the clock of the runtime.
    ///
    /// # Panics
    /// As [`submit_timeout`](Self::submit_timeout).
    ///
    /// # Errors
    /// As [`submit_timeout`](Self::submit_timeout).
    pub async fn submit_until(&self, job: T, deadline: Instant) -> Result<(), SubmitError<T>> {
        self.submit_timeout(job, left_until(deadline)).await
    }

    /// Accepts the argument of a job, or runs it here and now when the pool is
    /// full, so that whoever makes jobs is slowed down by them. Whether the
    /// pool has it. What runs here is counted as rejected, and its panic goes
    /// on to the caller; dropped, it is dropped.
    ///
    /// # Errors
    /// [`Reason::Closed`]; with the argument.
    pub async fn submit_or_run(&self, job: T) -> Result<bool, SubmitError<T>> {
        match self.try_submit(job) {
            Ok(()) => Ok(true),
            Err(full) if full.reason() == Reason::Full => {
                (self.here)(full.into_job()).await;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Accepts jobs in order, as [`submit`](Self::submit) does each. Says how
    /// many.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); with the jobs from the first that was not
    /// accepted on: all that the iterator has, which therefore has to end.
    pub async fn submit_all(
        &self,
        jobs: impl IntoIterator<Item = T, IntoIter: Send>,
    ) -> Result<usize, BulkError<T>> {
        let mut accepted = 0;
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            if let Err(error) = self.submit(job).await {
                return Err(BulkError::new(accepted, error, jobs));
            }
            accepted += 1;
        }
        Ok(accepted)
    }

    /// Accepts the argument of a job; blocks the thread while the pool is
    /// full. For threads that are not of a runtime.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_blocking(&self, job: T) -> Result<(), SubmitError<T>> {
        let Some(job) = self.offer_to_wait(job, false)? else {
            return Ok(());
        };
        let mut submission = Submission::new(&self.dispatcher, job);
        block_on(&mut submission, None)
            .unwrap_or_else(|| submission.give_up())
            .map_err(|rejected| self.refuse(rejected))
    }

    /// Accepts the argument of a job, or fails at once. From any thread, in a
    /// runtime or not.
    ///
    /// # Errors
    /// [`Reason::Full`] and [`Reason::Closed`]; with the argument.
    #[inline]
    pub fn try_submit(&self, job: T) -> Result<(), SubmitError<T>> {
        match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => Ok(()),
            Err(rejected) => Err(self.refuse(self.dispatcher.reject(rejected))),
        }
    }

    #[cold]
    #[inline(never)]
    async fn wait(&self, rejected: Rejected<Carried<T>>) -> Result<(), SubmitError<T>> {
        let mut job = to_wait(&self.dispatcher, rejected, false).map_err(|r| self.refuse(r))?;
        let since = self.dispatcher.clock.now();
        if self.dispatcher.is_brisk() && self.dispatcher.options.max_blocked > 0 {
            // Workers of short jobs make room for many while this waits for its turn, and
            // neither they nor this have to go to the line.
            give_way_once().await;
            match self.dispatcher.offer(job) {
                Ok(()) => {
                    self.dispatcher.record_blocked(since);
                    return Ok(());
                }
                Err(rejected) => job = rejected.job,
            }
        }
        let submission = Submission::since(&self.dispatcher, job, since);
        submission.await.map_err(|rejected| self.refuse(rejected))
    }

    /// The job if it must wait, and may, or `None` if it was accepted.
    #[inline]
    fn offer_to_wait(&self, job: T, limited: bool) -> Result<Option<Carried<T>>, SubmitError<T>> {
        match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => Ok(None),
            Err(rejected) => to_wait(&self.dispatcher, rejected, limited)
                .map(Some)
                .map_err(|rejected| self.refuse(rejected)),
        }
    }

    fn refuse(&self, rejected: Rejected<Carried<T>>) -> SubmitError<T> {
        let name = &self.dispatcher.options.name;
        SubmitError::new(name, rejected.reason, rejected.job.into_job())
    }

    /// Accepts the argument of a job at once; while the pool is full, the
    /// oldest jobs that wait make room. These come back, the oldest first;
    /// most often none or one. Blocked submitters come before this one.
    ///
    /// # Errors
    /// [`Reason::Full`] when no job waits, as with a queue bound of 0, and
    /// [`Reason::Closed`]; with the argument, and the jobs displaced by then.
    pub fn submit_displacing(&self, job: T) -> Result<Vec<T>, DisplaceError<T>> {
        let mut displaced = Vec::new();
        let submitted = self.dispatcher.displace(Carried::new(job), &mut displaced);
        let displaced = displaced.into_iter().map(Carried::into_job).collect();
        match submitted {
            Ok(()) => Ok(displaced),
            Err(rejected) => Err(DisplaceError::new(self.refuse(rejected), displaced)),
        }
    }

    /// Waits until every job accepted so far, and since, has ended. Jobs may
    /// be submitted meanwhile; then it waits for these too. In a pool that is
    /// [paused](Self::pause) with jobs that wait, it waits for the resume or a close.
    ///
    /// # Panics
    /// In a job of this pool, which would wait for itself.
    pub async fn wait_idle(&self) {
        self.dispatcher.identity.assert_not_within();
        until(&self.dispatcher, End::Idle).await;
    }

    /// Accepts nothing from now on, and waits until what was accepted has run
    /// and every worker has left, for at most `limit`. Blocked submitters fail
    /// with [`Reason::Closed`]. Answers to `ReleaseTimeout` of `ants`.
    ///
    /// Closes when first polled; dropped after that, the pool stays closed and
    /// the workers finish.
    ///
    /// # Panics
    /// When not called in a runtime with time enabled.
    ///
    /// # Errors
    /// [`CloseReason::Closed`] if the pool was closed before;
    /// [`CloseReason::Nested`] in a job of this pool, at once;
    /// [`CloseReason::Late`] if the limit passed: the pool stays closed, and
    /// the workers go on with what was accepted.
    pub async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.dispatcher.close()?;
        if self.dispatcher.identity.is_within() {
            return Err(self.dispatcher.unclosed(CloseReason::Nested));
        }
        let drained = timeout(limit, until(&self.dispatcher, End::Drained)).await;
        drained.map_err(|_elapsed| self.dispatcher.late())
    }
}

face!(FuncPool<T>, [T: Send + 'static], self => self.dispatcher);

impl<T: Send + 'static> TrySubmit<T> for FuncPool<T> {
    fn try_submit(&self, job: T) -> Result<(), SubmitError<T>> {
        Self::try_submit(self, job)
    }

    fn offer(&self, job: T) -> Result<(), SubmitError<T>> {
        let offered = self.dispatcher.offer(Carried::new(job));
        offered.map_err(|rejected| self.refuse(rejected))
    }
}

/// Gives way once to what waits for this thread.
async fn give_way_once() {
    let mut given = false;
    poll_fn(|cx| match mem::replace(&mut given, true) {
        false => give_way(cx),
        true => Poll::Ready(()),
    })
    .await;
}

/// By the clock of the runtime, which tests may stop.
pub(super) fn left_until(deadline: Instant) -> Duration {
    let deadline = tokio::time::Instant::from_std(deadline);
    deadline.saturating_duration_since(tokio::time::Instant::now())
}

impl<T: Send + 'static> Drop for FuncPool<T> {
    fn drop(&mut self) {
        // Closed already is as good.
        let _ = self.dispatcher.close();
    }
}

impl<T: Send + 'static> fmt::Debug for FuncPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("tasks::FuncPool")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
