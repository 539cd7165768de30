//! A part of a pool's workers, under a limit of its own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Pool;
use super::job::{Job, Limited};
use crate::error::{Reason, SubmitError};
use crate::permits::Permits;
use crate::wait::Wait;

/// A part of a [`Pool`]: at most so many of its jobs are in the pool at once,
/// waiting or running, so that they can take neither all the workers nor the
/// whole queue from others. Answers to the sub-pools of `pond`.
///
/// Dropped, its jobs go on. It has no workers, so it is not closed: the pool is.
pub struct SubPool {
    pool: Arc<Pool>,
    permits: Arc<Permits>,
}

impl SubPool {
    /// At most `limit` jobs of this part are in the pool at once. The name is
    /// told by its errors.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub fn new(pool: &Arc<Pool>, name: &str, limit: usize) -> Self {
        Self {
            pool: Arc::clone(pool),
            permits: Permits::new(&pool.jobs.dispatcher, name, limit),
        }
    }

    /// The name of this part.
    pub fn name(&self) -> &str {
        &self.permits.name
    }

    /// Jobs of this part that are in the pool.
    pub fn taken(&self) -> usize {
        self.permits.taken()
    }

    /// Accepts a job; waits while this part or the pool is full. Dropped while
    /// it waits, the job is dropped too, unless it was accepted just then.
    ///
    /// The figures of the pool tell of both: [`blocked`](Pool::blocked), and how
    /// many are [`waiting`](crate::Stats::waiting), up to the pool's `max_blocked`
    /// for each.
    ///
    /// # Errors
    /// As [`Pool::submit`]; with the job, and the name of this part or of the pool,
    /// whichever did not let it in.
    pub async fn submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let permit = match self.permits.acquire(&self.pool.jobs.dispatcher).await {
            Ok(permit) => permit,
            Err(reason) => return Err(self.refuse(reason, job)),
        };
        let (future, permit) = (job, Some(permit));
        let submitted = self
            .pool
            .jobs
            .submit(Job::new(Limited { future, permit }))
            .await;
        submitted.map_err(|error| error.map(|job| job.into_inner::<Limited<F>>().future))
    }

    fn refuse<F>(&self, reason: Reason, job: F) -> SubmitError<F> {
        self.permits.refuse(&self.pool.jobs.dispatcher, reason, job)
    }

    /// Accepts a job, or fails at once.
    ///
    /// # Errors
    /// As [`Pool::try_submit`]; with the job, and the name of this part or of
    /// the pool, whichever is full.
    pub fn try_submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(permit) = self.permits.try_acquire() else {
            // As a submit says: that of the two which does not pass.
            let reason = match self.pool.is_closed() {
                true => Reason::Closed,
                false => Reason::Full,
            };
            return Err(self.refuse(reason, job));
        };
        let (future, permit) = (job, Some(permit));
        let submitted = self
            .pool
            .jobs
            .try_submit(Job::new(Limited { future, permit }));
        submitted.map_err(|error| error.map(|job| job.into_inner::<Limited<F>>().future))
    }

    /// Waits until no job of this part is in the pool. Those that ran are in the
    /// [figures](Pool::stats) of the pool by then.
    ///
    /// # Panics
    /// In a job of the pool.
    pub async fn wait_idle(&self) {
        self.pool.jobs.dispatcher.identity.assert_not_within();
        Wait::new(&*self.permits).await;
    }
}

impl fmt::Debug for SubPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("tasks::SubPool")
            .field("name", &self.name())
            .field("taken", &self.taken())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
