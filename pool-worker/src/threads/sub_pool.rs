//! A part of a pool's workers, under a limit of its own.

use std::fmt;
use std::sync::Arc;

use super::Pool;
use super::job::{Job, Limited, Plain, Tracked, Work};
use crate::block_on::block_on;
use crate::error::{Reason, SubmitError};
use crate::handle::{Handle, handle};
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
        let submitted = self.submit_work(Plain(job));
        submitted.map_err(|error| error.map(plain))
    }

    /// As [`submit`](Self::submit), but waits where that blocks. For async code with jobs
    /// that block or compute. Dropped while it waits, the job is dropped too, unless it was
    /// accepted just then.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_async<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.submit_work_async(Plain(job)).await;
        submitted.map_err(|error| error.map(plain))
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
        let submitted = self.try_submit_work(Plain(job));
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job and gives its handle; blocks while this part or the pool is full. The
    /// handle tells the end of the job as soon as there is one: its place is free a little
    /// later, when it is counted. A job that is [cancelled](Handle::cancel) before it starts
    /// has its place until its turn.
    ///
    /// ```
    /// use pool_worker::threads::{Pool, SubPool};
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(Pool::new(8));
    /// let reports = SubPool::new(&pool, "reports", 2);
    /// let lines = reports.spawn(|| "one\ntwo".lines().count())?;
    /// assert_eq!(lines.wait()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn spawn<F, R>(&self, job: F) -> Result<Handle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, work) = self.tracked(job);
        let submitted = self.submit_work(work);
        submitted.map_err(|error| error.map(closure))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), but waits where that blocks. Dropped while it waits, the
    /// job is dropped too, unless it was accepted just then.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn spawn_async<F, R>(&self, job: F) -> Result<Handle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, work) = self.tracked(job);
        let submitted = self.submit_work_async(work).await;
        submitted.map_err(|error| error.map(closure))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), but fails at once where that blocks.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit).
    pub fn try_spawn<F, R>(&self, job: F) -> Result<Handle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, work) = self.tracked(job);
        let submitted = self.try_submit_work(work);
        submitted.map_err(|error| error.map(closure))?;
        Ok(handle)
    }

    fn tracked<F, R>(&self, closure: F) -> (Handle<R>, Tracked<F, R>) {
        let (handle, report) = handle(&self.pool.jobs.dispatcher.identity, None);
        (handle, Tracked { closure, report })
    }

    /// Waits for a place first, then for room in the pool.
    fn submit_work<W: Work>(&self, work: W) -> Result<(), SubmitError<W>> {
        match self.acquire() {
            Ok(permit) => {
                let job = Job::new(Limited { work, permit });
                self.pool.jobs.submit(job).map_err(without_place)
            }
            Err(reason) => Err(self.refuse(reason, work)),
        }
    }

    async fn submit_work_async<W: Work>(&self, work: W) -> Result<(), SubmitError<W>> {
        match self.permits.acquire(&self.pool.jobs.dispatcher).await {
            Ok(permit) => {
                let job = Job::new(Limited { work, permit });
                let submitted = self.pool.jobs.submit_async(job).await;
                submitted.map_err(without_place)
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
        let job = Job::new(Limited { work, permit });
        self.pool.jobs.try_submit(job).map_err(without_place)
    }

    fn acquire(&self) -> Result<Permit, Reason> {
        let mut acquired = self.permits.acquire(&self.pool.jobs.dispatcher);
        loop {
            if let Some(acquired) = block_on(&mut acquired, None) {
                return acquired;
            }
        }
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
    pub fn wait_idle(&self) {
        self.pool.jobs.dispatcher.identity.assert_not_within();
        block_on(&mut Wait::new(&*self.permits), None);
    }
}

/// Of a job that had a place, which is given back.
fn without_place<W: Work>(error: SubmitError<Job>) -> SubmitError<W> {
    error.map(|job| job.into_inner::<Limited<W>>().work)
}

fn plain<F>(work: Plain<F>) -> F {
    work.0
}

fn closure<F, R>(work: Tracked<F, R>) -> F {
    work.closure
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
