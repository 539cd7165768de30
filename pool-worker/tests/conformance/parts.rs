//! A part of a pool, under a limit of its own.

use std::mem::ManuallyDrop;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pool_worker::{CloseReason, DelaySnapshot, Reason, Stats, SubmitError, tasks, threads};
use tokio::runtime::Runtime;

use crate::harness::{Job, LONG, Options, gated, runtime, soon, until};

/// Why a job was not accepted, and by whom.
type Refused = (Reason, String);

fn refused<J>(error: &SubmitError<J>) -> Refused {
    (error.reason(), error.pool().to_owned())
}

fn by_the_part(reason: Reason) -> Result<(), Refused> {
    Err((reason, "part".to_owned()))
}

/// A pool and a part of it, named `part`.
trait Parted: Send + Sync + Sized + 'static {
    fn build(options: Options, limit: usize) -> Self;
    fn submit(&self, job: Job) -> Result<(), Refused>;
    fn try_submit(&self, job: Job) -> Result<(), Refused>;
    fn wait_idle(&self);
    fn taken(&self) -> usize;
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused>;
    fn wait_idle_of_pool(&self);
    fn close(&self, limit: Duration) -> Result<(), CloseReason>;
    fn reopen(&self);
    fn blocked(&self) -> DelaySnapshot;
    fn stats(&self) -> Stats;
}

struct OnThreads {
    pool: Arc<threads::Pool>,
    part: threads::SubPool,
}

impl Parted for OnThreads {
    fn build(options: Options, limit: usize) -> Self {
        let pool = Arc::new(options.apply(threads::Pool::builder()).build());
        let part = threads::SubPool::new(&pool, "part", limit);
        Self { pool, part }
    }
    fn submit(&self, job: Job) -> Result<(), Refused> {
        self.part.submit(job).map_err(|error| refused(&error))
    }
    fn try_submit(&self, job: Job) -> Result<(), Refused> {
        self.part.try_submit(job).map_err(|error| refused(&error))
    }
    fn wait_idle(&self) {
        self.part.wait_idle();
    }
    fn taken(&self) -> usize {
        self.part.taken()
    }
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused> {
        self.pool.try_submit(job).map_err(|error| refused(&error))
    }
    fn wait_idle_of_pool(&self) {
        self.pool.wait_idle();
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        self.pool.close(limit).map_err(|error| error.reason())
    }
    fn reopen(&self) {
        self.pool.reopen().unwrap();
    }
    fn blocked(&self) -> DelaySnapshot {
        self.pool.blocked()
    }
    fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

/// Its runtime is never dropped, as that of the other pools.
struct OnTasks {
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
    fn wait_idle(&self) {
        self.runtime.block_on(self.part.wait_idle());
    }
    fn taken(&self) -> usize {
        self.part.taken()
    }
    fn try_submit_to_pool(&self, job: Job) -> Result<(), Refused> {
        self.pool
            .try_submit(async { job() })
            .map_err(|error| refused(&error))
    }
    fn wait_idle_of_pool(&self) {
        self.runtime.block_on(self.pool.wait_idle());
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        let closed = self.runtime.block_on(self.pool.close(limit));
        closed.map_err(|error| error.reason())
    }
    fn reopen(&self) {
        self.pool.reopen().unwrap();
    }
    fn blocked(&self) -> DelaySnapshot {
        self.pool.blocked()
    }
    fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

macro_rules! over_pools_with_a_part {
    ($($case:ident,)*) => {
        mod on_threads {
            $(#[test] fn $case() { super::$case::<super::OnThreads>(); })*
        }
        mod on_tasks {
            $(#[test] fn $case() { super::$case::<super::OnTasks>(); })*
        }
    };
}

over_pools_with_a_part! {
    a_part_leaves_workers_to_others,
    many_submitters_share_a_part_and_keep_its_limit,
    what_the_pool_refuses_gives_its_place_back,
    a_close_releases_who_waits_for_a_place,
    a_full_part_of_a_closed_pool_is_closed,
    a_part_goes_on_when_its_pool_opens_again,
    a_place_is_free_once_all_that_comes_of_its_job_is_told,
    what_a_part_has_waited_for_is_counted_and_what_its_pool_has_is_free,
}

fn a_part_leaves_workers_to_others<P: Parted>() {
    let pool = P::build(Options::new(3, 8), 2);
    let gates = [(); 2].map(|()| {
        let (gate, job) = gated();
        pool.submit(job).unwrap();
        gate
    });
    let full = pool.try_submit(Box::new(|| ()));
    assert_eq!(full, by_the_part(Reason::Full));
    // The third worker is for others.
    let (tell, told) = channel();
    pool.try_submit_to_pool(Box::new(move || tell.send(()).unwrap()))
        .unwrap();
    soon(&told);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| panic!("as intended"))));
        until(|| pool.stats().waiting == 1);
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    pool.wait_idle();
    assert_eq!(pool.taken(), 0);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

fn many_submitters_share_a_part_and_keep_its_limit<P: Parted>() {
    let pool = P::build(Options::new(4, 8), 2);
    let running = Arc::new(Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let running = Arc::clone(&running);
                    let job = move || {
                        *running.lock().unwrap() += 1;
                        std::thread::yield_now();
                        let mut now = running.lock().unwrap();
                        assert!(*now <= 2);
                        *now -= 1;
                    };
                    pool.submit(Box::new(job)).unwrap();
                }
            });
        }
    });
    pool.wait_idle();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 900);
}

fn what_the_pool_refuses_gives_its_place_back<P: Parted>() {
    let pool = P::build(Options::new(1, 0), 1);
    let (gate, job) = gated();
    pool.try_submit_to_pool(job).unwrap();
    let full = pool.try_submit(Box::new(|| ()));
    assert_eq!(full, Err((Reason::Full, "suite".to_owned())));
    assert_eq!(pool.taken(), 0);
    drop(gate);
    pool.close(LONG).unwrap();
    let closed = pool.submit(Box::new(|| ()));
    assert_eq!(closed, Err((Reason::Closed, "suite".to_owned())));
    assert_eq!(pool.taken(), 0);
}

fn a_close_releases_who_waits_for_a_place<P: Parted>() {
    let options = Options {
        max_blocked: 1,
        ..Options::new(2, 8)
    };
    let pool = P::build(options, 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let crowded = pool.submit(Box::new(|| ()));
        assert_eq!(crowded, by_the_part(Reason::Crowded));
        // The job goes on: only the close can release it.
        pool.close(Duration::ZERO).unwrap_err();
        let closed = blocked.join().unwrap();
        assert_eq!(closed, by_the_part(Reason::Closed));
    });
    drop(gate);
    pool.wait_idle();
    let (stats, by) = (pool.stats(), pool.stats().rejected_by);
    assert_eq!((stats.waiting, stats.rejected), (0, 2));
    assert_eq!(pool.blocked().count, 1);
    assert_eq!((by.closed, by.crowded), (1, 1));
}

fn a_full_part_of_a_closed_pool_is_closed<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    pool.close(Duration::ZERO).unwrap_err();
    let closed = pool.try_submit(Box::new(|| ()));
    assert_eq!(closed, by_the_part(Reason::Closed));
    assert_eq!(pool.stats().rejected_by.closed, 1);
    drop(gate);
}

fn a_part_goes_on_when_its_pool_opens_again<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    for _ in 0..3 {
        pool.submit(Box::new(|| ())).unwrap();
        pool.close(LONG).unwrap();
        pool.reopen();
    }
    pool.close(LONG).unwrap();
    assert_eq!((pool.taken(), pool.stats().ran), (0, 3));
}

fn a_place_is_free_once_all_that_comes_of_its_job_is_told<P: Parted>() {
    let slot = Arc::new(OnceLock::<Arc<P>>::new());
    let (inside, (tell, told)) = (Arc::clone(&slot), channel());
    let options = Options {
        panic_handler: Arc::new(move |_| tell.send(inside.wait().taken()).unwrap()),
        ..Options::new(1, 1)
    };
    let pool = Arc::new(P::build(options, 1));
    assert!(slot.set(Arc::clone(&pool)).is_ok());
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    assert_eq!(soon(&told), 1);
    pool.close(LONG).unwrap();
}

fn what_a_part_has_waited_for_is_counted_and_what_its_pool_has_is_free<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    for round in 0..1_000 {
        let job = move || assert!(round % 4 > 0, "as intended");
        pool.submit(Box::new(job)).unwrap();
        if round % 2 == 0 {
            pool.wait_idle();
            let stats = pool.stats();
            assert_eq!((stats.running, stats.ran + stats.panicked), (0, round + 1));
        } else {
            pool.wait_idle_of_pool();
            assert_eq!(pool.taken(), 0);
        }
    }
    pool.close(LONG).unwrap();
}
