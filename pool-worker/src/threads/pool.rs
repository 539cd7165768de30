//! Any closures, on threads.

use std::fmt;
use std::time::Duration;

use super::FuncPool;
use super::job::Job;
use crate::error::{CloseError, SubmitError};
use crate::face::face;
use crate::options::Builder;

/// A pool of threads that run closures. Answers to `Pool` of `ants`.
///
/// A closure of more than four words takes one allocation; where all jobs are
/// the same function, [`FuncPool`] takes none. Shared by reference or [`Arc`](std::sync::Arc).
/// See the [module](super) for what a drop does.
pub struct Pool {
    jobs: FuncPool<Job>,
}

impl Pool {
    /// A pool with this capacity and the defaults of [`builder`](Self::builder).
    ///
    /// # Panics
    /// As [`Builder::build`].
    pub fn new(capacity: usize) -> Self {
        Self::builder().capacity(capacity).build()
    }

    /// The options of a pool. The capacity is that of the machine by default:
    /// [`available_parallelism`](std::thread::available_parallelism).
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// Accepts a job; blocks while the pool is full.
    ///
    /// On a worker of this pool it may block for ever, when all workers do so.
    ///
    /// # Errors
    /// [`Reason::Closed`](crate::Reason::Closed), also when the pool is closed
    /// while this blocks, and [`Reason::Crowded`](crate::Reason::Crowded);
    /// with the job.
    #[inline]
    pub fn submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.submit(Job::new(job));
        submitted.map_err(|error| error.map(Job::into_inner))
    }

    /// Accepts a job; blocks for at most `limit` while the pool is full.
    ///
    /// # Errors
    /// [`Reason::Timeout`](crate::Reason::Timeout), and those of
    /// [`submit`](Self::submit); with the job.
    #[inline]
    pub fn submit_timeout<F>(&self, job: F, limit: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.submit_timeout(Job::new(job), limit);
        submitted.map_err(|error| error.map(Job::into_inner))
    }

    /// Accepts a job, or fails at once.
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full) and
    /// [`Reason::Closed`](crate::Reason::Closed); with the job.
    #[inline]
    pub fn try_submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.try_submit(Job::new(job));
        submitted.map_err(|error| error.map(Job::into_inner))
    }

    /// As [`FuncPool::wait_idle`].
    ///
    /// # Panics
    /// As [`FuncPool::wait_idle`].
    pub fn wait_idle(&self) {
        self.jobs.wait_idle();
    }

    /// As [`FuncPool::close`].
    ///
    /// # Errors
    /// As [`FuncPool::close`].
    pub fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.jobs.close(limit)
    }
}

face!(Pool, [], self => self.jobs.dispatcher);

impl Builder<Pool> {
    /// The pool.
    ///
    /// # Panics
    /// When the capacity is 0, when capacity and queue bound together are
    /// above 2^30, and when the system gives no thread for the first worker.
    pub fn build(self) -> Pool {
        let builder: Builder<FuncPool<Job>> = self.convert();
        Pool {
            jobs: builder.build(Job::run),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("threads::Pool")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
