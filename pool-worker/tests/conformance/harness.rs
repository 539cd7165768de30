//! One face for every pool, so that a case is written once.
//!
//! Jobs are closures that may block, also on tasks: the runtime of a harness
//! has a thread for each worker that a case uses.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use pool_worker::{
    Buildable, Builder, BulkError, CloseError, CloseReason, DelaySnapshot, Reason, ReopenReason,
    Stats, SubmitError, tasks, threads,
};
use tokio::runtime::Runtime;

#[path = "../gate/mod.rs"]
mod gate;

pub(crate) use gate::{Job, LONG, gated, until};

/// What a rejection tells.
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) pool: String,
    pub(crate) job: Job,
    pub(crate) job_name: Option<String>,
}

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} by {}", self.reason, self.pool)
    }
}

/// The options that both engines share.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) capacity: usize,
    pub(crate) queue: usize,
    pub(crate) max_blocked: usize,
    pub(crate) record_delay: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) prestart: usize,
    /// Jobs that may block at once, where that takes a runtime.
    pub(crate) threads: usize,
    pub(crate) panic_handler: Arc<dyn Fn(pool_worker::JobPanic<'_>) + Send + Sync>,
    pub(crate) on_start: Option<Hook>,
    pub(crate) on_stop: Option<Hook>,
}

/// What a worker calls as it begins or ends.
pub(crate) type Hook = Arc<dyn Fn(&str) + Send + Sync>;

impl Options {
    pub(crate) fn new(capacity: usize, queue: usize) -> Self {
        Self {
            name: "suite".to_owned(),
            capacity,
            queue,
            max_blocked: usize::MAX,
            record_delay: true,
            idle_timeout: None,
            prestart: 0,
            threads: capacity,
            panic_handler: Arc::new(|_| ()),
            on_start: None,
            on_stop: None,
        }
    }

    pub(crate) fn apply<P: Buildable>(self, builder: Builder<P>) -> Builder<P> {
        let builder = match self.idle_timeout {
            Some(timeout) => builder.idle_timeout(timeout),
            None => builder,
        };
        let builder = match self.on_start {
            Some(hook) => builder.on_worker_start(move |pool| hook(pool)),
            None => builder,
        };
        let builder = match self.on_stop {
            Some(hook) => builder.on_worker_stop(move |pool| hook(pool)),
            None => builder,
        };
        builder
            .name(self.name)
            .prestart(self.prestart)
            .capacity(self.capacity)
            .queue(self.queue)
            .max_blocked(self.max_blocked)
            .record_delay(self.record_delay)
            .panic_handler(move |panic| (self.panic_handler)(panic))
    }
}

pub(crate) trait Pool: Send + Sync + Sized + 'static {
    fn build(options: Options) -> Self;
    fn submit(&self, job: Job) -> Result<(), Refused>;
    fn submit_timeout(&self, job: Job, limit: Duration) -> Result<(), Refused>;
    fn try_submit(&self, job: Job) -> Result<(), Refused>;
    /// How many were displaced.
    fn submit_displacing(&self, job: Job) -> Result<usize, Refused>;
    fn submit_until(&self, job: Job, deadline: Instant) -> Result<(), Refused>;
    /// Whether the pool has it.
    fn submit_or_run(&self, job: Job) -> Result<bool, Refused>;
    fn submit_all(&self, jobs: Vec<Job>) -> Result<usize, Rest>;
    fn close(&self, limit: Duration) -> Result<(), CloseReason>;
    fn is_closed(&self) -> bool;
    fn wait_idle(&self);
    /// The same two, from a job of the pool, where they do not wait.
    fn close_inside(&self, limit: Duration) -> Result<(), CloseReason>;
    fn wait_idle_inside(&self);
    fn pause(&self);
    fn set_capacity(&self, capacity: usize);
    fn resume(&self);
    fn is_paused(&self) -> bool;
    fn reopen(&self) -> Result<(), ReopenReason>;
    fn oldest_waiting(&self) -> Option<Duration>;
    fn delay(&self) -> DelaySnapshot;
    fn blocked(&self) -> DelaySnapshot;
    fn run_time(&self) -> DelaySnapshot;
    fn stats(&self) -> Stats;
    /// Threads or tasks of the pool that the system still has.
    fn alive(&self) -> usize;

    fn new(capacity: usize, queue: usize) -> Self {
        Self::build(Options::new(capacity, queue))
    }
}

/// How many of many were accepted, why no more, and the others.
pub(crate) type Rest = (usize, Reason, Vec<Job>);

/// What comes over a channel; fails instead of hanging for ever.
pub(crate) fn soon<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(LONG).expect("nothing came")
}

/// As the system tells it, where it does.
fn threads_named(name: &str) -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let names = threads.filter_map(|thread| {
        // It may have ended meanwhile.
        std::fs::read_to_string(thread.ok()?.path().join("comm")).ok()
    });
    names.filter(|known| known.trim() == name).count()
}

pub(crate) fn refused<J>(error: SubmitError<J>, back: impl FnOnce(J) -> Job) -> Refused {
    Refused {
        reason: error.reason(),
        pool: error.pool().to_owned(),
        job_name: error.job_name().map(str::to_owned),
        job: back(error.into_job()),
    }
}

/// Why not; an error tells the pool in any case.
fn closed(pool: &str, closed: Result<(), CloseError>) -> Result<(), CloseReason> {
    closed.map_err(|error| {
        assert_eq!(error.pool(), pool);
        error.reason()
    })
}

fn rest<J>(error: BulkError<J>, back: impl Fn(J) -> Job) -> Rest {
    let (accepted, reason) = (error.accepted(), error.reason());
    let jobs = error.into_jobs().into_iter().map(back);
    (accepted, reason, jobs.collect())
}

macro_rules! figures {
    ($($path:ident)?) => {
        fn is_closed(&self) -> bool { self$(.$path)?.is_closed() }
        fn set_capacity(&self, capacity: usize) { self$(.$path)?.set_capacity(capacity) }
        fn pause(&self) { self$(.$path)?.pause() }
        fn resume(&self) { self$(.$path)?.resume() }
        fn is_paused(&self) -> bool { self$(.$path)?.is_paused() }
        fn reopen(&self) -> Result<(), ReopenReason> {
            let pool = &self$(.$path)?;
            pool.reopen().map_err(|error| {
                assert_eq!(error.pool(), pool.name());
                error.reason()
            })
        }
        fn oldest_waiting(&self) -> Option<Duration> { self$(.$path)?.oldest_waiting() }
        fn delay(&self) -> DelaySnapshot { self$(.$path)?.delay() }
        fn blocked(&self) -> DelaySnapshot { self$(.$path)?.blocked() }
        fn run_time(&self) -> DelaySnapshot { self$(.$path)?.run_time() }
        fn stats(&self) -> Stats { self$(.$path)?.stats() }
    };
}

macro_rules! on_threads {
    ($pool:ty, $options:ident => $build:expr, $count:expr) => {
        impl Pool for $pool {
            fn build($options: Options) -> Self {
                $build
            }
            fn submit(&self, job: Job) -> Result<(), Refused> {
                self.submit(job).map_err(|e| refused(e, |job| job))
            }
            fn submit_timeout(&self, job: Job, limit: Duration) -> Result<(), Refused> {
                self.submit_timeout(job, limit)
                    .map_err(|e| refused(e, |job| job))
            }
            fn try_submit(&self, job: Job) -> Result<(), Refused> {
                self.try_submit(job).map_err(|e| refused(e, |job| job))
            }
            fn submit_displacing(&self, job: Job) -> Result<usize, Refused> {
                let submitted = self.submit_displacing(job);
                submitted
                    .map_err(|e| refused(e.into(), |job| job))
                    .map($count)
            }
            fn submit_until(&self, job: Job, deadline: Instant) -> Result<(), Refused> {
                let submitted = self.submit_until(job, deadline);
                submitted.map_err(|e| refused(e, |job| job))
            }
            fn submit_or_run(&self, job: Job) -> Result<bool, Refused> {
                self.submit_or_run(job).map_err(|e| refused(e, |job| job))
            }
            fn submit_all(&self, jobs: Vec<Job>) -> Result<usize, Rest> {
                self.submit_all(jobs).map_err(|e| rest(e, |job| job))
            }
            fn close(&self, limit: Duration) -> Result<(), CloseReason> {
                closed(self.name(), self.close(limit))
            }
            fn wait_idle(&self) {
                self.wait_idle();
            }
            fn close_inside(&self, limit: Duration) -> Result<(), CloseReason> {
                closed(self.name(), self.close(limit))
            }
            fn wait_idle_inside(&self) {
                self.wait_idle();
            }
            fn alive(&self) -> usize {
                threads_named(self.name())
            }
            figures!();
        }
    };
}

on_threads!(threads::Pool, options => options.apply(Self::builder()).build(), |count| count);
on_threads!(
    threads::FuncPool<Job>,
    options => options.apply(Self::builder()).build(|job: Job| job()),
    |jobs| jobs.len()
);

/// A pool of tasks with the runtime that it needs.
///
/// The runtime is never dropped, because the workers of a dropped pool go on
/// in it, and a case may drop the pool from one of its own jobs.
pub(crate) struct Tasks<P> {
    pub(crate) pool: P,
    pub(crate) runtime: ManuallyDrop<Runtime>,
}

pub(crate) fn runtime(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads + 1)
        .enable_time()
        .build()
        .expect("a runtime")
}

macro_rules! on_tasks {
    ($pool:ty, $options:ident, $runtime:ident => $build:expr, $wrap:expr, $back:expr, $count:expr) => {
        impl Pool for Tasks<$pool> {
            fn build($options: Options) -> Self {
                let $runtime = runtime($options.threads);
                Self {
                    pool: $build,
                    runtime: ManuallyDrop::new($runtime),
                }
            }
            fn submit(&self, job: Job) -> Result<(), Refused> {
                let submitted = self.pool.submit_blocking($wrap(job));
                submitted.map_err(|e| refused(e, $back))
            }
            fn submit_timeout(&self, job: Job, limit: Duration) -> Result<(), Refused> {
                let submitted = self.pool.submit_timeout($wrap(job), limit);
                let submitted = self.runtime.block_on(submitted);
                submitted.map_err(|e| refused(e, $back))
            }
            fn try_submit(&self, job: Job) -> Result<(), Refused> {
                let submitted = self.pool.try_submit($wrap(job));
                submitted.map_err(|e| refused(e, $back))
            }
            fn submit_displacing(&self, job: Job) -> Result<usize, Refused> {
                let submitted = self.pool.submit_displacing($wrap(job));
                submitted.map_err(|e| refused(e.into(), $back)).map($count)
            }
            fn submit_until(&self, job: Job, deadline: Instant) -> Result<(), Refused> {
                let submitted = self.pool.submit_until($wrap(job), deadline);
                let submitted = self.runtime.block_on(submitted);
                submitted.map_err(|e| refused(e, $back))
            }
            fn submit_or_run(&self, job: Job) -> Result<bool, Refused> {
                let submitted = self.pool.submit_or_run($wrap(job));
                let submitted = self.runtime.block_on(submitted);
                submitted.map_err(|e| refused(e, $back))
            }
            fn submit_all(&self, jobs: Vec<Job>) -> Result<usize, Rest> {
                let jobs: Vec<_> = jobs.into_iter().map($wrap).collect();
                let submitted = self.runtime.block_on(self.pool.submit_all(jobs));
                submitted.map_err(|e| rest(e, $back))
            }
            fn close(&self, limit: Duration) -> Result<(), CloseReason> {
                closed(
                    self.pool.name(),
                    self.runtime.block_on(self.pool.close(limit)),
                )
            }
            fn wait_idle(&self) {
                self.runtime.block_on(self.pool.wait_idle());
            }
            fn close_inside(&self, limit: Duration) -> Result<(), CloseReason> {
                closed(self.pool.name(), at_once(self.pool.close(limit)))
            }
            fn wait_idle_inside(&self) {
                at_once(self.pool.wait_idle());
            }
            fn alive(&self) -> usize {
                self.runtime.metrics().num_alive_tasks()
            }
            figures!(pool);
        }
    };
}

on_tasks!(
    tasks::Pool,
    options, runtime => options
        .apply(tasks::Pool::builder())
        .runtime(runtime.handle().clone())
        .build(),
    |job: Job| async move { job() },
    |job| -> Job { Box::new(move || at_once(job)) },
    |count| count
);
on_tasks!(
    tasks::FuncPool<Job>,
    options, runtime => options
        .apply(tasks::FuncPool::builder())
        .runtime(runtime.handle().clone())
        .build(|job: Job| async move { job() }),
    |job: Job| job,
    |job| job,
    |jobs: Vec<Job>| jobs.len()
);

/// Runs a future that never waits.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}
