//! Any futures, on tasks.

use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::FuncPool;
use super::func_pool::left_until;
use super::job::{Job, Named, Plain, Tracked};
use crate::error::{CloseError, Reason, SubmitError};
use crate::face::face;
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::panic;
use crate::span::Name;
use crate::try_submit::{BulkError, TrySubmit};

fn plain<F: 'static>(job: Job) -> F {
    job.into_inner::<Plain<F>>().future
}

fn tracked<F: Future + 'static>(job: Job) -> F {
    job.into_inner::<Tracked<F, F::Output>>().future
}

/// Of a job with a name, which the error tells.
fn named<W: 'static, F>(error: SubmitError<Job>, back: impl FnOnce(W) -> F) -> SubmitError<F> {
    let (error, job) = error.into_parts();
    let Named { work, name } = job.into_inner::<Named<W>>();
    error.named(name.job).map(|()| back(work))
}

/// A pool of tasks that run futures. Answers to `Pool` of `ants`.
///
/// A future takes one allocation; where all jobs are the same async function,
/// [`FuncPool`] takes none. Shared by reference or [`Arc`](std::sync::Arc).
/// See the [module](super) for what a drop does.
pub struct Pool {
    pub(super) jobs: FuncPool<Job>,
}

impl Pool {
    /// A pool with this capacity and the defaults of [`builder`](Self::builder).
    ///
    /// # Panics
    /// As [`Builder::build`].
    pub fn new(capacity: usize) -> Self {
        Self::builder().capacity(capacity).build()
    }

    /// The options of a pool. The capacity is 64 times the
    /// [`available_parallelism`](std::thread::available_parallelism) by
    /// default.
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// The pool of the whole process, made at its first use with the defaults
    /// of [`builder`](Self::builder) and the name `"global"`, for the runtime
    /// of its first user: it is closed when that ends. It is never dropped.
    /// Answers to the default pool of `ants`, but has a bound.
    ///
    /// # Panics
    /// When its first use is outside of a runtime.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        GLOBAL.get_or_init(|| Self::builder().name("global").build())
    }

    /// Accepts a job; waits while the pool is full.
    ///
    /// Dropped while it waits, the job is dropped too, unless it was accepted
    /// just then.
    ///
    /// # Errors
    /// As [`FuncPool::submit`]; with the job.
    pub async fn submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let submitted = self.jobs.submit(Job::new(Plain { future: job })).await;
        submitted.map_err(|error| error.map(plain))
    }

    /// As [`submit`](Self::submit), for a job with a name: its panic is told
    /// with it ([`JobPanic::job`](crate::JobPanic::job)), and with the feature
    /// `tracing` it runs in a span `job` that has its `name` and that of the `pool`.
    ///
    /// # Errors
    /// As [`FuncPool::submit`]; with the job.
    pub async fn submit_named<F>(&self, name: &'static str, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (work, name) = (Plain { future: job }, self.name_of(name));
        let submitted = self.jobs.submit(Job::new(Named { work, name })).await;
        submitted.map_err(|error| named(error, |work: Plain<F>| work.future))
    }

    fn name_of(&self, job: &'static str) -> Name {
        Name::new(job, &self.jobs.dispatcher.options.name)
    }

    /// Accepts a job; waits for at most `limit` while the pool is full.
    ///
    /// # Panics
    /// As [`FuncPool::submit_timeout`].
    ///
    /// # Errors
    /// [`Reason::Timeout`](crate::Reason::Timeout), and those of
    /// [`submit`](Self::submit); with the job.
    pub async fn submit_timeout<F>(&self, job: F, limit: Duration) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let submitted = self
            .jobs
            .submit_timeout(Job::new(Plain { future: job }), limit)
            .await;
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job; waits until `deadline` at most while the pool is full. By
    /// the clock of the runtime.
    ///
    /// # Panics
    /// As [`FuncPool::submit_timeout`].
    ///
    /// # Errors
    /// As [`submit_timeout`](Self::submit_timeout).
    pub async fn submit_until<F>(&self, job: F, deadline: Instant) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.submit_timeout(job, left_until(deadline)).await
    }

    /// Accepts a job, or runs it here and now when the pool is full. Whether
    /// the pool has it; see [`FuncPool::submit_or_run`].
    ///
    /// # Errors
    /// [`Reason::Closed`]; with the job.
    pub async fn submit_or_run<F>(&self, job: F) -> Result<bool, SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self.try_submit(job) {
            Ok(()) => Ok(true),
            Err(full) if full.reason() == Reason::Full => {
                full.into_job().await;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Accepts jobs in order, as [`submit`](Self::submit) does each. Says how
    /// many.
    ///
    /// # Errors
    /// As [`FuncPool::submit_all`].
    pub async fn submit_all<F>(
        &self,
        jobs: impl IntoIterator<Item = F, IntoIter: Send>,
    ) -> Result<usize, BulkError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
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

    /// Accepts a job; blocks the thread while the pool is full. For threads
    /// that are not of a runtime.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_blocking<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let submitted = self.jobs.submit_blocking(Job::new(Plain { future: job }));
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job, or fails at once. From any thread, in a runtime or not.
    ///
    /// # Errors
    /// [`Reason::Full`](crate::Reason::Full) and
    /// [`Reason::Closed`](crate::Reason::Closed); with the job.
    #[inline]
    pub fn try_submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let submitted = self.jobs.try_submit(Job::new(Plain { future: job }));
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job and gives its handle; waits while the pool is full.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn spawn<F>(&self, future: F) -> Result<Handle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, report) = handle(&self.jobs.dispatcher.identity, None);
        let submitted = self.jobs.submit(Job::new(Tracked { future, report })).await;
        submitted.map_err(|error| error.map(tracked))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), for a job with a name; see
    /// [`submit_named`](Self::submit_named). Its panic goes to the handle.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn spawn_named<F>(
        &self,
        name: &'static str,
        future: F,
    ) -> Result<Handle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, report) = handle(&self.jobs.dispatcher.identity, Some(name));
        let (work, name) = (Tracked { future, report }, self.name_of(name));
        let submitted = self.jobs.submit(Job::new(Named { work, name })).await;
        let back = |work: Tracked<F, F::Output>| work.future;
        submitted.map_err(|error| named(error, back))?;
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
        let (handle, report) = handle(&self.jobs.dispatcher.identity, None);
        let submitted = self.jobs.try_submit(Job::new(Tracked { future, report }));
        submitted.map_err(|error| error.map(tracked))?;
        Ok(handle)
    }

    /// Accepts a job at once; while the pool is full, the oldest jobs that
    /// wait make room: they are dropped, and their handles tell that they were
    /// [displaced](crate::JobFailure::Displaced). Says how many; see
    /// [`FuncPool::submit_displacing`]. Where one of them panics as it is dropped, the
    /// panic hook tells, and nothing else comes of it.
    ///
    /// # Errors
    /// As [`FuncPool::submit_displacing`]; with the job.
    pub fn submit_displacing<F>(&self, job: F) -> Result<usize, SubmitError<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let submitted = self.jobs.submit_displacing(Job::new(Plain { future: job }));
        let (submitted, displaced) = match submitted {
            Ok(displaced) => (Ok(displaced.len()), displaced),
            Err(error) => {
                let (rejected, displaced) = error.into_parts();
                (Err(rejected.map(plain)), displaced)
            }
        };
        for job in displaced {
            // What became of the new job is told all the same.
            panic::contain(|| job.displace());
        }
        submitted
    }

    /// As [`FuncPool::wait_idle`].
    ///
    /// # Panics
    /// As [`FuncPool::wait_idle`].
    pub async fn wait_idle(&self) {
        self.jobs.wait_idle().await;
    }

    /// As [`FuncPool::close`].
    ///
    /// # Panics
    /// As [`FuncPool::close`].
    ///
    /// # Errors
    /// As [`FuncPool::close`].
    pub async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.jobs.close(limit).await
    }
}

impl<F: Future<Output = ()> + Send + 'static> TrySubmit<F> for Pool {
    fn try_submit(&self, job: F) -> Result<(), SubmitError<F>> {
        Self::try_submit(self, job)
    }

    fn offer(&self, job: F) -> Result<(), SubmitError<F>> {
        let offered = self.jobs.offer(Job::new(Plain { future: job }));
        offered.map_err(|error| error.map(plain))
    }
}

face!(Pool, [], self => self.jobs.dispatcher);

impl Builder<Pool> {
    /// The pool.
    ///
    /// # Panics
    /// Outside of a runtime, when [`runtime`](Self::runtime) was not given;
    /// when the capacity is 0; when capacity and queue bound together are
    /// above 2^29; when an idle timeout was given and the runtime has no time.
    pub fn build(self) -> Pool {
        let builder: Builder<FuncPool<Job>> = self.convert();
        Pool {
            jobs: builder.build_with(|job| job, Box::new(|job| Box::pin(async { _ = job.await }))),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("tasks::Pool")
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
