//! Any closures, on threads.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::FuncPool;
use super::func_build::built;
use super::job::{Job, Named, Plain, Tracked};
use crate::error::{BuildError, CloseError, Reason, SubmitError};
use crate::face::face;
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::panic;
use crate::span::Name;
use crate::try_submit::{BulkError, TrySubmit, submit_all};

fn plain<F: FnOnce() + Send + 'static>(job: Job) -> F {
    job.into_inner::<Plain<F>>().0
}

fn tracked<F, R>(job: Job) -> F
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    job.into_inner::<Tracked<F, R>>().closure
}

/// Of a job with a name, which the error tells.
fn named<W: 'static, F>(error: SubmitError<Job>, back: impl FnOnce(W) -> F) -> SubmitError<F> {
    let (error, job) = error.into_parts();
    let Named { work, name } = job.into_inner::<Named<W>>();
    error.named(name.job).map(|()| back(work))
}

/// A pool of threads that run closures. Answers to `Pool` of `ants`.
///
/// A closure of more than four words takes one allocation; where all jobs are
/// the same function, [`FuncPool`] takes none. Shared by reference or
/// [`Arc`](std::sync::Arc). See the [module](super) for what a drop does.
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

    /// The options of a pool. The capacity is that of the machine by default:
    /// [`available_parallelism`](std::thread::available_parallelism).
    pub fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// The pool of the whole process, made at its first use with the defaults
    /// of [`builder`](Self::builder) and the name `"global"`. It is never
    /// dropped. Answers to the default pool of `ants`, but has a bound.
    ///
    /// # Panics
    /// When the system gives no thread for the first worker.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        GLOBAL.get_or_init(|| Self::builder().name("global").build())
    }

    /// Accepts a job; blocks while the pool is full.
    ///
    /// # Errors
    /// As [`FuncPool::submit`]; with the job.
    #[inline]
    pub fn submit<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.submit(Job::new(Plain(job)));
        submitted.map_err(|error| error.map(plain))
    }

    /// As [`submit`](Self::submit), for a job with a name: its panic is told
    /// with it ([`JobPanic::job`](crate::JobPanic::job)), and with the feature
    /// `tracing` it runs in a span `job` that has its `name` and that of the `pool`.
    ///
    /// # Errors
    /// As [`FuncPool::submit`]; with the job.
    pub fn submit_named<F>(&self, name: &'static str, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let (work, name) = (Plain(job), self.name_of(name));
        let submitted = self.jobs.submit(Job::new(Named { work, name }));
        submitted.map_err(|error| named(error, |work: Plain<F>| work.0))
    }

    fn name_of(&self, job: &'static str) -> Name {
        Name::new(job, &self.jobs.dispatcher.options.name)
    }

    /// Accepts a job; waits while the pool is full. For async code with jobs that
    /// block or compute: see [`FuncPool::submit_async`].
    ///
    /// # Errors
    /// As [`FuncPool::submit`]; with the job.
    pub async fn submit_async<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.submit_async(Job::new(Plain(job))).await;
        submitted.map_err(|error| error.map(plain))
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
        let submitted = self.jobs.submit_timeout(Job::new(Plain(job)), limit);
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts a job; blocks until `deadline` at most while the pool is full.
    ///
    /// # Errors
    /// As [`submit_timeout`](Self::submit_timeout).
    pub fn submit_until<F>(&self, job: F, deadline: Instant) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.submit_timeout(job, deadline.saturating_duration_since(Instant::now()))
    }

    /// Accepts a job, or runs it here and now when the pool is full, so that
    /// whoever makes jobs is slowed down by them. Whether the pool has it. What
    /// runs here is counted as rejected, and its panic goes on to the caller.
    ///
    /// # Errors
    /// [`Reason::Closed`](crate::Reason::Closed); with the job.
    pub fn submit_or_run<F>(&self, job: F) -> Result<bool, SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        match self.try_submit(job) {
            Ok(()) => Ok(true),
            Err(full) if full.reason() == Reason::Full => {
                full.into_job()();
                Ok(false)
            }
            Err(error) => Err(error),
        }
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
        let submitted = self.jobs.try_submit(Job::new(Plain(job)));
        submitted.map_err(|error| error.map(plain))
    }

    /// Accepts jobs in order, as [`submit`](Self::submit) does each. Says how
    /// many.
    ///
    /// # Errors
    /// As [`FuncPool::submit_all`].
    pub fn submit_all<F>(&self, jobs: impl IntoIterator<Item = F>) -> Result<usize, BulkError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        submit_all(jobs, |job| self.submit(job))
    }

    /// Accepts a job and gives its handle; blocks while the pool is full.
    ///
    /// ```
    /// let pool = pool_worker::threads::Pool::new(2);
    /// let handle = pool.spawn(|| 6 * 7)?;
    /// assert_eq!(handle.wait()?, 42);
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
        let (handle, report) = handle(&self.jobs.dispatcher.identity, None);
        let closure = job;
        let submitted = self.jobs.submit(Job::new(Tracked { closure, report }));
        submitted.map_err(|error| error.map(tracked::<F, R>))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), for a job with a name; see
    /// [`submit_named`](Self::submit_named). Its panic goes to the handle.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn spawn_named<F, R>(&self, name: &'static str, job: F) -> Result<Handle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, report) = handle(&self.jobs.dispatcher.identity, Some(name));
        let closure = job;
        let (work, name) = (Tracked { closure, report }, self.name_of(name));
        let submitted = self.jobs.submit(Job::new(Named { work, name }));
        let back = |work: Tracked<F, R>| work.closure;
        submitted.map_err(|error| named(error, back))?;
        Ok(handle)
    }

    /// As [`spawn`](Self::spawn), but waits where that blocks: what
    /// `tokio::task::spawn_blocking` is for, with a bound. Dropped while it waits, the
    /// job is dropped too, unless it was accepted just then.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pool = pool_worker::threads::Pool::new(2);
    /// let read = pool.spawn_async(|| std::fs::read_to_string("Cargo.toml")).await?;
    /// assert!(read.await??.contains("pool-worker"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn spawn_async<F, R>(&self, job: F) -> Result<Handle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, report) = handle(&self.jobs.dispatcher.identity, None);
        let closure = job;
        let job = Job::new(Tracked { closure, report });
        let submitted = self.jobs.submit_async(job).await;
        submitted.map_err(|error| error.map(tracked::<F, R>))?;
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
        let (handle, report) = handle(&self.jobs.dispatcher.identity, None);
        let closure = job;
        let submitted = self.jobs.try_submit(Job::new(Tracked { closure, report }));
        submitted.map_err(|error| error.map(tracked::<F, R>))?;
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
        F: FnOnce() + Send + 'static,
    {
        let submitted = self.jobs.submit_displacing(Job::new(Plain(job)));
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

impl<F: FnOnce() + Send + 'static> TrySubmit<F> for Pool {
    fn try_submit(&self, job: F) -> Result<(), SubmitError<F>> {
        Self::try_submit(self, job)
    }

    fn offer(&self, job: F) -> Result<(), SubmitError<F>> {
        let offered = self.jobs.offer(Job::new(Plain(job)));
        offered.map_err(|error| error.map(plain))
    }
}

face!(Pool, [], self => self.jobs.dispatcher);

impl Builder<Pool> {
    /// The pool.
    ///
    /// # Panics
    /// When the capacity is 0, when capacity and queue bound together are
    /// above 2^29, and when the system gives no thread for the first worker.
    pub fn build(self) -> Pool {
        built(self.try_build())
    }

    /// As [`build`](Self::build), where a system that gives no thread is an error.
    ///
    /// ```
    /// let pool = pool_worker::threads::Pool::builder().capacity(8).prestart(8).try_build()?;
    /// // As many as the system gave; the others are made as jobs come.
    /// assert!(pool.stats().workers >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the system gives no thread for the first worker. Further ones that were to be
    /// [made with the pool](Self::prestart) and are not given are made as jobs come.
    ///
    /// # Panics
    /// When the capacity is 0, and when capacity and queue bound together are
    /// above 2^29.
    pub fn try_build(self) -> Result<Pool, BuildError> {
        let builder: Builder<FuncPool<Job>> = self.convert();
        let jobs = builder.build_with(
            |hand| {
                let job = hand.as_mut().expect("a job was taken");
                job.run_in_place(Job::run)
            },
            Box::new(|mut job| _ = job.run()),
        );
        jobs.map(|jobs| Pool { jobs })
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
