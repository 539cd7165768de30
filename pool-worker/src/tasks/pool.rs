//! A pool for any job.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::worker::Tasks;
use crate::engine::look_on_methods;
use crate::error::{CloseError, SubmitError};
use crate::options::{Options, option_methods};

/// A job as a [`Pool`] keeps it, and gives it back: await it to run it.
pub type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that run futures, at most [`capacity`](Self::capacity) at once.
///
/// Worker tasks are made when they are needed, and stay. A panic of a job
/// costs no worker. Dropping the pool closes it and does not wait: jobs that
/// were accepted are still run, as long as their runtime is there.
pub struct Pool {
    tasks: Tasks<Job>,
}

impl Pool {
    /// A pool of at most `capacity` worker tasks, with the usual queue (ants:
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
        }
    }

    /// Submits a job; waits while the pool is full (ants: `Submit`).
    ///
    /// Dropping the returned future before it is ready drops the job: it is
    /// not run. A job that submits to its own pool may wait for ever, when
    /// every worker does; use [`try_submit`](Self::try_submit) there.
    ///
    /// # Errors
    /// When the pool is closed, or is while this waits; the job comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn submit(
        &self,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SubmitError<Job>> {
        self.tasks.submit(Box::pin(job)).await
    }

    /// Submits a job; waits while the pool is full, for at most `limit`.
    ///
    /// # Errors
    /// When the pool is closed, or full for all the time; the job comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without timers.
    pub async fn submit_timeout(
        &self,
        job: impl Future<Output = ()> + Send + 'static,
        limit: Duration,
    ) -> Result<(), SubmitError<Job>> {
        self.tasks.submit_timeout(Box::pin(job), limit).await
    }

    /// Submits a job, without waiting (ants: `Submit` with `WithNonblocking`).
    ///
    /// # Errors
    /// When the pool is full or closed; the job comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn try_submit(
        &self,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SubmitError<Job>> {
        self.tasks.try_submit(Box::pin(job))
    }

    /// Closes the pool: no more jobs are accepted, submitters that wait get
    /// theirs back, what was accepted is run. Waits until that is done, for
    /// at most `limit` (ants: `ReleaseTimeout`). Dropping the future does not
    /// open the pool again.
    ///
    /// # Errors
    /// When it is not done in time: the pool stays closed and the jobs go on.
    /// When it was closed before. When the workers' runtime went away before
    /// them.
    ///
    /// # Panics
    /// In a runtime without timers.
    pub async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.tasks.close(limit).await
    }
}

impl Pool {
    look_on_methods!(tasks.engine);
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
}

impl PoolBuilder {
    option_methods!();

    /// Makes the pool. No worker is started before the first job.
    #[must_use]
    pub fn build(self) -> Pool {
        Pool {
            tasks: Tasks::new(self.options, |job: Job| job),
        }
    }
}
