//! A part of a pool's workers, under a limit of its own.

use std::fmt;
use std::sync::Arc;

use super::Pool;
use super::job::{Job, Limited};
use crate::block_on::block_on;
use crate::error::{Reason, SubmitError};
use crate::permits::{Permit, Permits};
use crate::wait::Wait;

/// A part of a [`Pool`]: at most so many of its jobs are in the pool at once,
/// waiting or running, so that they can take neither all the workers nor the
/// whole queue from others. Answers to the sub-pools of `pond`.
///
/// Dropped, its jobs go on. It has no workers, so it is not closed: the pool is.
///
/// ```
/// use pool_worker::threads::{Pool, SubPool};
/// use std::sync::Arc;
///
/// let pool = Arc::new(Pool::new(8));
/// let reports = SubPool::new(&pool, "reports", 2);
/// for n in 0..10 {
///     reports.submit(move || println!("report {n}"))?;
/// }
/// reports.wait_idle();
/// assert_eq!(reports.taken(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// Accepts a job; blocks while this part or the pool is full. The figures of
    /// the pool tell of both: [`blocked`](Pool::blocked), and how many are
    /// [`waiting`](crate::Stats::waiting), up to the pool's `max_blocked` for each.
    ///
    /// # Errors
    /// As [`Pool::submit`]; with the job, and the name of this part or of the pool,
    /// whichever did not let it in.
    pub fn submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let permit = match self.acquire() {
            Ok(permit) => permit,
            Err(reason) => return Err(self.refuse(reason, job)),
        };
        let closure = job;
        let submitted = self.pool.jobs.submit(Job::new(Limited { closure, permit }));
        submitted.map_err(|error| error.map(|job| job.into_inner::<Limited<F>>().closure))
    }

    fn acquire(&self) -> Result<Permit, Reason> {
        let mut acquired = self.permits.acquire(&self.pool.jobs.dispatcher);
        loop {
            if let Some(acquired) = block_on(&mut acquired, None) {
                return acquired;
            }
        }
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
        F: FnOnce() + Send + 'static,
    {
        let Some(permit) = self.permits.try_acquire() else {
            // As a submit says: that of the two which does not pass.
            let reason = match self.pool.is_closed() {
                true => Reason::Closed,
                false => Reason::Full,
            };
            return Err(self.refuse(reason, job));
        };
        let closure = job;
        let submitted = self
            .pool
            .jobs
            .try_submit(Job::new(Limited { closure, permit }));
        submitted.map_err(|error| error.map(|job| job.into_inner::<Limited<F>>().closure))
    }

    /// Waits until no job of this part is in the pool. Those that ran are in the
    /// [figures](Pool::stats) of the pool by then.
    ///
    /// # Panics
    /// In a job of the pool.
    pub fn wait_idle(&self) {
        self.pool.jobs.dispatcher.identity.assert_not_within();
        block_on(&mut Wait::new(&*self.permits), None);
    }
}

impl fmt::Debug for SubPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("threads::SubPool")
            .field("name", &self.name())
            .field("taken", &self.taken())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
