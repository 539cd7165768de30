//! A part of a pool's workers, under a limit of its own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Pool;
use super::job::{Job, Limited, Plain, Tracked, Work};
use crate::error::{Reason, SubmitError};
use crate::handle::{Handle, handle};
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
        let submitted = self.submit_work(Plain { future: job }).await;
        submitted.map_err(|error| error.map(plain))
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
        let submitted = self.try_submit_work(Plain { future: job });
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job and gives its handle; waits while this part or the pool is full.
    /// Dropped while it waits, the job is dropped too, unless it was accepted just then.
    ///
    /// The handle tells the end of the job as soon as there is one: its place is free a
    /// little later, when it is counted. A job that is [cancelled](Handle::cancel) before it
    /// starts has its place until its turn; one that runs, until it has been dropped.
    ///
    /// ```
    /// use pool_worker::tasks::{Pool, SubPool};
    /// use std::sync::Arc;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pool = Arc::new(Pool::new(64));
    /// let reports = SubPool::new(&pool, "reports", 2);
    /// let lines = reports.spawn(async { "one\ntwo".lines().count() }).await?;
    /// assert_eq!(lines.await?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn spawn<F>(&self, future: F) -> Result<Handle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, work) = self.tracked(future);
        let submitted = self.submit_work(work).await;
        submitted.map_err(|error| error.map(future_of))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), but fails at once where that waits.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit).
    pub fn try_spawn<F>(&self, future: F) -> Result<Handle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, work) = self.tracked(future);
        let submitted = self.try_submit_work(work);
        submitted.map_err(|error| error.map(future_of))?;
        Ok(handle)
    }

    fn tracked<F: Future>(&self, future: F) -> (Handle<F::Output>, Tracked<F, F::Output>) {
        let (handle, report) = handle(&self.pool.jobs.dispatcher.identity, None);
        (handle, Tracked { future, report })
    }

    /// Waits for a place first, then for room in the pool.
    async fn submit_work<W: Work>(&self, work: W) -> Result<(), SubmitError<W>> {
        match self.permits.acquire(&self.pool.jobs.dispatcher).await {
            Ok(permit) => {
                let job = Job::new(Limited::new(work, permit));
                self.pool.jobs.submit(job).await.map_err(without_place)
            }
            Err(reason) => Err(self.refuse(reason, work)),
        }
    }

    fn try_submit_work<W: Work>(&self, work: W) -> Result<(), SubmitError<W>> {
        let Some(permit) = self.permits.try_acquire() else {
            // As a submit says: that of the two which does not pass.
            let reason = match self.pool.is_closed() {
                true => Reason::Closed,
                false => Reason::Full,
            };
            return Err(self.refuse(reason, work));
        };
        let job = Job::new(Limited::new(work, permit));
        self.pool.jobs.try_submit(job).map_err(without_place)
    }

    fn refuse<W>(&self, reason: Reason, work: W) -> SubmitError<W> {
        let pool = &self.pool.jobs.dispatcher;
        self.permits.refuse(pool, reason, work)
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

/// Of a job that had a place, which is given back.
fn without_place<W: Work>(error: SubmitError<Job>) -> SubmitError<W> {
    error.map(|job| job.into_inner::<Limited<W>>().into_work())
}

fn plain<F>(work: Plain<F>) -> F {
    work.future
}

fn future_of<F: Future>(work: Tracked<F, F::Output>) -> F {
    work.future
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
