//! One function over many arguments, on threads.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use crate::block_on::block_on;
use crate::dispatcher::{Dispatcher, Rejected};
use crate::error::{CloseError, CloseReason, DisplaceError, Reason, SubmitError};
use crate::face::face;
use crate::options::Builder;
use crate::span::Carried;
use crate::submit::{Submission, to_wait};
use crate::try_submit::{BulkError, TrySubmit, submit_all};
use crate::wait::{End, until};

/// A pool of threads that run one function; a job is its argument, and nothing
/// is boxed. Answers to `PoolWithFuncGeneric` of `ants`.
///
/// Shared by reference or [`Arc`]. See the [module](super) for what a drop
/// does.
///
/// ```
/// use pool_worker::threads::FuncPool;
/// use std::sync::mpsc;
///
/// let (results, received) = mpsc::channel();
/// let pool = FuncPool::builder()
///     .capacity(2)
///     .build(move |n: u64| results.send(n * n).unwrap());
/// for n in 1..=3 {
///     pool.submit(n)?;
/// }
/// assert_eq!(received.iter().take(3).sum::<u64>(), 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FuncPool<T: Send + 'static> {
    pub(super) dispatcher: Arc<Dispatcher<Carried<T>>>,
    /// Runs a job on the thread of its submitter.
    pub(super) here: Box<dyn Fn(T) + Send + Sync>,
}

impl<T: Send + 'static> FuncPool<T> {
    /// A pool with this capacity and the defaults of [`builder`](Self::builder).
    ///
    /// # Panics
    /// As [`Builder::build`].
    pub fn new<F>(capacity: usize, run: F) -> Self
    where
        F: Fn(T) + Send + Sync + 'static,
    {
        Self::builder().capacity(capacity).build(run)
    }

    /// The options of a pool. The capacity is that of the machine by default:
    /// [`available_parallelism`](std::thread::available_parallelism).
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// Accepts the argument of a job; blocks while the pool is full.
    ///
    /// # Errors
    /// [`Reason::Closed`], also when the pool is closed while this blocks;
    /// [`Reason::Crowded`]; and [`Reason::Nested`] where a job would wait for
    /// room in its own pool; with the argument.
    #[inline]
    pub fn submit(&self, job: T) -> Result<(), SubmitError<T>> {
        match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => Ok(()),
            Err(rejected) => self.wait(rejected, None),
        }
    }

    /// Accepts the argument of a job; blocks for at most `limit` while the
    /// pool is full.
    ///
    /// # Errors
    /// [`Reason::Timeout`], and those of [`submit`](Self::submit); with the
    /// argument.
    #[inline]
    pub fn submit_timeout(&self, job: T, limit: Duration) -> Result<(), SubmitError<T>> {
        match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => Ok(()),
            Err(rejected) => self.wait(rejected, Some(limit)),
        }
    }

    /// Accepts the argument of a job; blocks until `deadline` at most while
    /// the pool is full.
    ///
    /// # Errors
    /// As [`submit_timeout`](Self::submit_timeout).
    pub fn submit_until(&self, job: T, deadline: Instant) -> Result<(), SubmitError<T>> {
        self.submit_timeout(job, deadline.saturating_duration_since(Instant::now()))
    }

    /// Accepts the argument of a job; waits while the pool is full. For async code
    /// with jobs that block or compute: no thread waits for room.
    ///
    /// Dropped while it waits, the job is dropped too, unless it was accepted just
    /// then; the others in the line do not notice.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_async(&self, job: T) -> Result<(), SubmitError<T>> {
        let submitted = match self.dispatcher.offer(Carried::new(job)) {
            Ok(()) => return Ok(()),
            Err(rejected) => match to_wait(&self.dispatcher, rejected, false) {
                Ok(job) => Submission::new(&self.dispatcher, job).await,
                Err(rejected) => Err(rejected),
            },
        };
        submitted.map_err(|rejected| self.refuse(rejected))
    }

    /// Accepts the argument of a job, or fails at once.
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

    /// Accepts the argument of a job, or runs it here and now when the pool is
    /// full, so that whoever makes jobs is slowed down by them. Whether the
    /// pool has it. What runs here is counted as rejected, and its panic goes
    /// on to the caller.
    ///
    /// # Errors
    /// [`Reason::Closed`]; with the argument.
    pub fn submit_or_run(&self, job: T) -> Result<bool, SubmitError<T>> {
        match self.try_submit(job) {
            Ok(()) => Ok(true),
            Err(full) if full.reason() == Reason::Full => {
                (self.here)(full.into_job());
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
    pub fn submit_all(&self, jobs: impl IntoIterator<Item = T>) -> Result<usize, BulkError<T>> {
        submit_all(jobs, |job| self.submit(job))
    }

    #[cold]
    #[inline(never)]
    fn wait(
        &self,
        rejected: Rejected<Carried<T>>,
        limit: Option<Duration>,
    ) -> Result<(), SubmitError<T>> {
        let limited = limit.is_some();
        let mut job = to_wait(&self.dispatcher, rejected, limited).map_err(|r| self.refuse(r))?;
        let since = self.dispatcher.clock.now();
        let backoff = Backoff::new();
        while self.may_linger(limit) && !backoff.is_completed() {
            backoff.snooze();
            if !self.dispatcher.has_room_again() && !backoff.is_completed() {
                continue;
            }
            match self.dispatcher.offer(job) {
                Ok(()) => {
                    self.dispatcher.record_blocked(since);
                    return Ok(());
                }
                Err(rejected) => job = rejected.job,
            }
        }
        let mut submission = Submission::since(&self.dispatcher, job, since);
        block_on(&mut submission, limit)
            .unwrap_or_else(|| submission.give_up())
            .map_err(|rejected| self.refuse(rejected))
    }

    /// Whether to try some microseconds more before joining the line.
    fn may_linger(&self, limit: Option<Duration>) -> bool {
        !cfg!(loom_models) && limit.is_none() && self.dispatcher.options.max_blocked > 0
    }

    fn refuse(&self, rejected: Rejected<Carried<T>>) -> SubmitError<T> {
        SubmitError::new(
            &self.dispatcher.options.name,
            rejected.reason,
            rejected.job.into_job(),
        )
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
    /// On a worker of this pool, whose job would wait for itself.
    pub fn wait_idle(&self) {
        self.dispatcher.identity.assert_not_within();
        block_on(&mut until(&self.dispatcher, End::Idle), None);
    }

    /// Accepts nothing from now on, and waits until what was accepted has run
    /// and every worker has left, for at most `limit`. Blocked submitters fail
    /// with [`Reason::Closed`]. Answers to `ReleaseTimeout` of `ants`.
    ///
    /// # Errors
    /// [`CloseReason::Closed`] if the pool was closed before;
    /// [`CloseReason::Nested`] on a worker of this pool, at once;
    /// [`CloseReason::Late`] if the limit passed: the pool stays closed, and
    /// the workers go on with what was accepted.
    pub fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.dispatcher.close()?;
        if self.dispatcher.identity.is_within() {
            return Err(self.dispatcher.unclosed(CloseReason::Nested));
        }
        let mut drained = until(&self.dispatcher, End::Drained);
        block_on(&mut drained, Some(limit)).ok_or_else(|| self.dispatcher.late())
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

impl<T: Send + 'static> Drop for FuncPool<T> {
    fn drop(&mut self) {
        let closed_before = self.dispatcher.close().is_err();
        if closed_before || self.dispatcher.identity.is_within() {
            return;
        }
        block_on(&mut until(&self.dispatcher, End::Drained), None);
    }
}

impl<T: Send + 'static> fmt::Debug for FuncPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("threads::FuncPool")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Some get in while they linger, the others by way of the line.
    #[test]
    fn who_found_the_pool_full_was_blocked_however_it_gets_in() {
        let builder = FuncPool::builder().capacity(1).queue(0);
        let pool = builder.build(|open: Receiver<()>| _ = open.recv());
        for nth in 1..=1000 {
            let (gate, open) = channel();
            pool.submit(open).unwrap();
            let (opened, at_once) = channel();
            let Err(full) = pool.dispatcher.offer(Carried::new(at_once)) else {
                panic!("the worker is busy");
            };
            drop((gate, opened));
            assert!(pool.wait(full, None).is_ok());
            pool.wait_idle();
            assert_eq!(pool.blocked().count, nth);
        }
    }
}
