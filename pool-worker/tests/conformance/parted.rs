//! The pools that have a part.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use pool_worker::{CloseReason, DelaySnapshot, Handle, Reason, Stats, SubmitError, tasks, threads};
use tokio::runtime::Runtime;

use crate::harness::{Job, Options, at_once, runtime};

/// Why a job was not accepted, and by whom.
pub(crate) type Refused = (Reason, String);

/// A job with a result.
pub(crate) type Call = Box<dyn FnOnce() -> usize + Send>;

/// A job that was not accepted.
pub(crate) struct GivenBack {
    pub(crate) refused: Refused,
    pub(crate) job: Call,
}

impl std::fmt::Debug for GivenBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.refused)
    }
}

fn refused<J>(error: &SubmitError<J>) -> Refused {
    (error.reason(), error.pool().to_owned())
}

fn given_back<J>(error: SubmitError<J>, back: impl FnOnce(J) -> Call) -> GivenBack {
    let refused = refused(&error);
    let job = back(error.into_job());
    GivenBack { refused, job }
}

/// A pool and a part of it, named `part`.
pub(crate) trait Parted: Send + Sync + Sized + 'static {
    fn build(options: Options, limit: usize) -> Self;
    fn submit(&self, job: Job) -> Result<(), Refused>;
    fn try_submit(&self, job: Job) -> Result<(), Refused>;
    fn spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack>;
    fn try_spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack>;
    fn wait_idle(&self);
    fn taken(&self) -> usize;
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused>;
    /// The same, where the oldest make room. How many did.
    fn displace(&self, job: Job) -> usize;
    fn wait_idle_of_pool(&self);
    fn pause(&self);
    fn resume(&self);
    fn close(&self, limit: Duration) -> Result<(), CloseReason>;
    fn reopen(&self);
    fn blocked(&self) -> DelaySnapshot;
    fn run_time(&self) -> DelaySnapshot;
    fn stats(&self) -> Stats;
}

macro_rules! of_the_pool_and_the_part {
    () => {
        fn taken(&self) -> usize {
            self.part.taken()
        }
        fn pause(&self) {
            self.pool.pause();
        }
        fn resume(&self) {
            self.pool.resume();
        }
        fn reopen(&self) {
            self.pool.reopen().unwrap();
        }
        fn blocked(&self) -> DelaySnapshot {
            self.pool.blocked()
        }
        fn run_time(&self) -> DelaySnapshot {
            self.pool.run_time()
        }
        fn stats(&self) -> Stats {
            self.pool.stats()
        }
    };
}

/// Jobs come from threads, which block, or from async code, which waits.
pub(crate) struct OfThreads<const ASYNC: bool> {
    pool: Arc<threads::Pool>,
    part: threads::SubPool,
}

pub(crate) type OnThreads = OfThreads<false>;
pub(crate) type OnThreadsAsync = OfThreads<true>;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

impl<const ASYNC: bool> Parted for OfThreads<ASYNC> {
    fn build(options: Options, limit: usize) -> Self {
        let pool = Arc::new(options.apply(threads::Pool::builder()).build());
        let part = threads::SubPool::new(&pool, "part", limit);
        Self { pool, part }
    }
    fn submit(&self, job: Job) -> Result<(), Refused> {
        let submitted = match ASYNC {
            true => block_on(self.part.submit_async(job)),
            false => self.part.submit(job),
        };
        submitted.map_err(|error| refused(&error))
    }
    fn try_submit(&self, job: Job) -> Result<(), Refused> {
        self.part.try_submit(job).map_err(|error| refused(&error))
    }
    fn spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack> {
        let spawned = match ASYNC {
            true => block_on(self.part.spawn_async(job)),
            false => self.part.spawn(job),
        };
        spawned.map_err(|error| given_back(error, |job| job))
    }
    fn try_spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack> {
        let spawned = self.part.try_spawn(job);
        spawned.map_err(|error| given_back(error, |job| job))
    }
    fn wait_idle(&self) {
        self.part.wait_idle();
    }
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused> {
        self.pool.try_submit(job).map_err(|error| refused(&error))
    }
    fn displace(&self, job: Job) -> usize {
        self.pool.submit_displacing(job).unwrap()
    }
    fn wait_idle_of_pool(&self) {
        self.pool.wait_idle();
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        self.pool.close(limit).map_err(|error| error.reason())
    }
    of_the_pool_and_the_part!();
}

/// Its runtime is never dropped, as that of the other pools.
pub(crate) struct OnTasks {
    pool: Arc<tasks::Pool>,
    part: tasks::SubPool,
    runtime: ManuallyDrop<Runtime>,
}

impl Parted for OnTasks {
    fn build(options: Options, limit: usize) -> Self {
        let runtime = runtime(options.threads);
        let builder = options.apply(tasks::Pool::builder());
        let pool = Arc::new(builder.runtime(runtime.handle().clone()).build());
        let part = tasks::SubPool::new(&pool, "part", limit);
        let runtime = ManuallyDrop::new(runtime);
        Self {
            pool,
            part,
            runtime,
        }
    }
    fn submit(&self, job: Job) -> Result<(), Refused> {
        let submitted = self.part.submit(async { job() });
        self.runtime
            .block_on(submitted)
            .map_err(|error| refused(&error))
    }
    fn try_submit(&self, job: Job) -> Result<(), Refused> {
        self.part
            .try_submit(async { job() })
            .map_err(|error| refused(&error))
    }
    fn spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack> {
        let spawned = self.runtime.block_on(self.part.spawn(async { job() }));
        spawned.map_err(|error| given_back(error, |job| Box::new(|| at_once(job))))
    }
    fn try_spawn(&self, job: Call) -> Result<Handle<usize>, GivenBack> {
        let spawned = self.part.try_spawn(async { job() });
        spawned.map_err(|error| given_back(error, |job| Box::new(|| at_once(job))))
    }
    fn wait_idle(&self) {
        self.runtime.block_on(self.part.wait_idle());
    }
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused> {
        self.pool
            .try_submit(async { job() })
            .map_err(|error| refused(&error))
    }
    fn displace(&self, job: Job) -> usize {
        self.pool.submit_displacing(async { job() }).unwrap()
    }
    fn wait_idle_of_pool(&self) {
        self.runtime.block_on(self.pool.wait_idle());
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        let closed = self.runtime.block_on(self.pool.close(limit));
        closed.map_err(|error| error.reason())
    }
    of_the_pool_and_the_part!();
}
