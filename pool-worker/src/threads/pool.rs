//! A pool for any job.

use std::fmt;
use std::time::Duration;

use super::worker::Threads;
use crate::engine::look_on_methods;
use crate::error::{CloseError, SubmitError};
use crate::options::{Options, option_methods};

/// A job as a [`Pool`] keeps it, and gives it back: call it to run it.
pub type Job = Box<dyn FnOnce() + Send>;

/// Threads that run closures, at most [`capacity`](Self::capacity) at once
/// (ants: `Pool`).
///
/// Threads are made when they are needed, and stay. A panic of a job costs no
/// thread. Dropping the pool closes it and does not wait: jobs that were
/// accepted are still run, and then the threads end.
pub struct Pool {
    threads: Threads<Job>,
}

impl Pool {
    /// A pool of at most `capacity` threads, with the usual queue (ants:
    /// `NewPool`).
    ///
    /// # Panics
    /// When `capacity` is 0.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::builder().capacity(capacity).build()
    }

    /// A pool with options.
    #[must_use]
    pub fn builder() -> PoolBuilder {
        PoolBuilder {
            options: Options::default(),
            stack_size: None,
        }
    }

    /// Submits a job; blocks while the pool is full (ants: `Submit`).
    ///
    /// A job that submits to its own pool may block for ever, when every
    /// worker does; use [`try_submit`](Self::try_submit) there.
    ///
    /// # Errors
    /// When the pool is closed, or is while this blocks; the job comes back.
    ///
    /// # Panics
    /// When the system refuses the first thread; the job is dropped with it.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Job>> {
        self.threads.submit(Box::new(job), None)
    }

    /// Submits a job; blocks while the pool is full, for at most `limit`.
    ///
    /// # Errors
    /// When the pool is closed, or full for all the time; the job comes back.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
    pub fn submit_timeout(
        &self,
        job: impl FnOnce() + Send + 'static,
        limit: Duration,
    ) -> Result<(), SubmitError<Job>> {
        self.threads.submit(Box::new(job), Some(limit))
    }

    /// Submits a job, without waiting (ants: `Submit` with `WithNonblocking`).
    ///
    /// # Errors
    /// When the pool is full or closed; the job comes back.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
    pub fn try_submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Job>> {
        self.threads.try_submit(Box::new(job))
    }

    /// Closes the pool: no more jobs are accepted, submitters that wait get
    /// theirs back, what was accepted is run. Blocks until that is done, for
    /// at most `limit` (ants: `ReleaseTimeout`).
    ///
    /// # Errors
    /// When it is not done in time: the pool stays closed and the jobs go on.
    /// When it was closed before.
    pub fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.threads.close(limit)
    }
}

impl Pool {
    look_on_methods!(threads.engine);
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish()
    }
}

/// Makes a [`Pool`].
#[derive(Clone, Debug)]
pub struct PoolBuilder {
    options: Options,
    stack_size: Option<usize>,
}

impl PoolBuilder {
    option_methods!();

    /// The stack of each thread, in bytes.
    #[must_use]
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes the pool. No thread is started before the first job.
    #[must_use]
    pub fn build(self) -> Pool {
        Pool {
            threads: Threads::new(self.options, self.stack_size, |job: Job| job()),
        }
    }
}
