//! Everything at once, at random, for as long as one likes: every job is
//! accounted for exactly once. Not in `.ci/run`, but for some seconds under the
//! sanitizers: see CONTRIBUTING.md.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use pool_worker::{
    Buildable, Builder, CloseError, Handle, JobError, JobFailure, MultiPool, Reason, Stats,
    Strategy, SubmitError, tasks, threads,
};
use tokio::runtime::Runtime;

const LONG: Duration = Duration::from_secs(60);

/// One job of so many panics.
const PANICS: usize = 97;

/// A small generator: the same seed, the same choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What became of jobs, as the jobs and their submitters saw it.
#[derive(Default)]
struct Account {
    /// How often the job of each number began. None may do so twice.
    began: Vec<AtomicU32>,
    next: AtomicUsize,
    accepted: AtomicU64,
    rejected: AtomicU64,
    ran: AtomicU64,
    panicked: AtomicU64,
    /// Never began: rejected, displaced or cancelled.
    dropped: AtomicU64,
    /// Ran, but was cancelled in its last poll, which drops the result.
    overruled: AtomicU64,
}

impl Account {
    fn number(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, SeqCst);
        (number < self.began.len()).then_some(number)
    }

    fn submitted<T, J>(&self, submitted: Result<T, SubmitError<J>>) -> Option<T> {
        let counter = match &submitted {
            Ok(_) => &self.accepted,
            Err(error) => {
                assert_ne!(error.reason(), Reason::Nested);
                &self.rejected
            }
        };
        counter.fetch_add(1, SeqCst);
        submitted.ok()
    }

    /// Waits for the end of a job, which may be to cancel it.
    fn wait(&self, number: usize, handle: Handle<()>, cancel: bool) {
        let cancelled = cancel && handle.cancel();
        let end = handle.wait().map_err(JobError::into_reason);
        let told = matches!(end, Err(JobFailure::Cancelled));
        assert_eq!(told, cancelled);
        let ran = self.began[number].load(SeqCst) > 0 && !number.is_multiple_of(PANICS);
        self.overruled.fetch_add(u64::from(told && ran), SeqCst);
    }

    /// Every job is accounted for, by itself and by the pools.
    fn check(&self, before: &Stats, after: &Stats) {
        let of = |counter: &AtomicU64| counter.load(SeqCst);
        let jobs = self.began.len() as u64;
        assert_eq!(of(&self.accepted) + of(&self.rejected), jobs);
        assert_eq!(of(&self.ran) + of(&self.panicked) + of(&self.dropped), jobs);
        assert_eq!(after.submitted - before.submitted, of(&self.accepted));
        assert_eq!(after.rejected - before.rejected, of(&self.rejected));
        assert_eq!(after.ran - before.ran + of(&self.overruled), of(&self.ran));
        assert_eq!(after.panicked - before.panicked, of(&self.panicked));
        let displaced = after.displaced - before.displaced;
        let cancelled = after.cancelled - before.cancelled;
        let dropped = of(&self.rejected) + displaced + cancelled;
        assert_eq!(dropped, of(&self.dropped) + of(&self.overruled));
        assert_eq!((after.queued, after.running, after.waiting), (0, 0, 0));
    }
}

/// A job, until it has run or is dropped.
struct Job {
    account: Arc<Account>,
    number: usize,
}

impl Job {
    fn run(self) {
        let account = &self.account;
        let began = &account.began[self.number];
        assert_eq!(began.fetch_add(1, SeqCst), 0, "ran twice");
        if self.number.is_multiple_of(PANICS) {
            account.panicked.fetch_add(1, SeqCst);
            // A panic that is not printed.
            std::panic::resume_unwind(Box::new("as intended"));
        }
        if self.number.is_multiple_of(31) {
            std::thread::yield_now();
        }
        account.ran.fetch_add(1, SeqCst);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.account.began[self.number].load(SeqCst) == 0 {
            self.account.dropped.fetch_add(1, SeqCst);
        }
    }
}

/// The pool of one engine, as the soak needs it.
trait Soaked: Send + Sync + 'static {
    /// Submits in the way of this number.
    fn submit(&self, way: u64, account: &Account, job: Job);
    fn meddle(&self, way: u64, dice: &mut Dice);
    fn is_closed(&self) -> bool;
    fn stats(&self) -> Stats;
    fn wait_idle(&self);
}

fn options<P: Buildable>(builder: Builder<P>) -> Builder<P> {
    builder
        .capacity(3)
        .max_capacity(6)
        .queue(8)
        .idle_timeout(Duration::from_micros(200))
        .panic_handler(|panic| drop(panic))
}

macro_rules! soaked {
    ($engine:ty, |$job:ident| $run:expr) => {
        impl Soaked for $engine {
            fn submit(&self, way: u64, account: &Account, $job: Job) {
                let number = $job.number;
                let job = $run;
                let pool = &self.0;
                match way {
                    0 => _ = account.submitted(pool.try_submit(job)),
                    1 => _ = account.submitted(pool.submit_displacing(job)),
                    2 => _ = account.submitted(self.timed(job)),
                    3 => _ = account.submitted(pool.try_spawn(job)),
                    4 | 5 => {
                        if let Some(handle) = account.submitted(pool.try_spawn(job)) {
                            account.wait(number, handle, way == 4);
                        }
                    }
                    _ => _ = account.submitted(self.blocking(job)),
                }
            }

            fn meddle(&self, way: u64, dice: &mut Dice) {
                let pool = &self.0;
                match way {
                    SIZE => pool.set_capacity(1 + dice.below(6) as usize),
                    PAUSE => {
                        pool.pause();
                        std::thread::yield_now();
                        pool.resume();
                    }
                    CLOSE => {
                        self.close().unwrap();
                        // It has drained, so there is nobody to wait for.
                        pool.reopen().unwrap();
                    }
                    _ => _ = (pool.stats(), pool.delay(), pool.oldest_waiting()),
                }
            }

            fn is_closed(&self) -> bool {
                self.0.is_closed()
            }

            fn stats(&self) -> Stats {
                self.0.stats()
            }

            fn wait_idle(&self) {
                self.idle();
            }
        }
    };
}

struct OnThreads(threads::Pool);

impl OnThreads {
    fn timed<F: FnOnce() + Send + 'static>(&self, job: F) -> Result<(), SubmitError<F>> {
        self.0.submit_timeout(job, Duration::from_micros(50))
    }
    fn blocking<F: FnOnce() + Send + 'static>(&self, job: F) -> Result<(), SubmitError<F>> {
        self.0.submit(job)
    }
    fn close(&self) -> Result<(), CloseError> {
        self.0.close(LONG)
    }
    fn idle(&self) {
        self.0.wait_idle();
    }
}

soaked!(OnThreads, |job| move || job.run());

struct OnTasks(tasks::Pool, Runtime);

type Timed<F> = Result<(), SubmitError<F>>;

impl OnTasks {
    fn timed<F: Future<Output = ()> + Send + 'static>(&self, job: F) -> Timed<F> {
        let submitted = self.0.submit_timeout(job, Duration::from_micros(50));
        self.1.block_on(submitted)
    }
    fn blocking<F: Future<Output = ()> + Send + 'static>(&self, job: F) -> Timed<F> {
        self.0.submit_blocking(job)
    }
    fn close(&self) -> Result<(), CloseError> {
        self.1.block_on(self.0.close(LONG))
    }
    fn idle(&self) {
        self.1.block_on(self.0.wait_idle());
    }
}

soaked!(OnTasks, |job| async move {
    if job.number.is_multiple_of(5) {
        tokio::task::yield_now().await;
    }
    job.run();
});

/// Rounds of some thousand jobs each; after each, every job is accounted for.
fn soak(pool: &impl Soaked, seconds: u64, seed: u64) {
    let begin = Instant::now();
    let (mut rounds, mut before) = (0u64, Stats::default());
    let mut meddled = [0u64; WAYS as usize];
    while begin.elapsed() < Duration::from_secs(seconds) {
        let account = Arc::new(Account {
            began: (0..20_000).map(|_| AtomicU32::new(0)).collect(),
            ..Account::default()
        });
        let submitting = AtomicUsize::new(3);
        std::thread::scope(|scope| {
            for submitter in 0..3 {
                let (account, submitting) = (&account, &submitting);
                scope.spawn(move || {
                    let mut dice = Dice(seed + rounds * 7 + submitter + 1);
                    while let Some(number) = account.number() {
                        let account = Arc::clone(account);
                        let job = Job { account, number };
                        pool.submit(dice.below(9), &Arc::clone(&job.account), job);
                        // Some are submitted to a closed pool, but not most.
                        while pool.is_closed() && dice.below(100) > 0 {
                            std::thread::yield_now();
                        }
                    }
                    submitting.fetch_sub(1, SeqCst);
                });
            }
            let mut dice = Dice(seed ^ (rounds + 0x9E37));
            // Each at least once.
            let mut ways = 0..WAYS;
            while submitting.load(SeqCst) > 0 {
                let way = ways.next().unwrap_or_else(|| chosen(&mut dice));
                pool.meddle(way, &mut dice);
                meddled[way as usize] += 1;
            }
        });
        pool.wait_idle();
        let stats = pool.stats();
        account.check(&before, &stats);
        let over = stats.ran + stats.panicked + stats.cancelled + stats.displaced;
        assert_eq!(over, stats.submitted);
        before = stats;
        rounds += 1;
    }
    println!("{rounds} rounds of 20000 jobs, meddled with {meddled:?} times: {before:?}");
    assert!(meddled.iter().all(|times| *times > 0), "{meddled:?}");
    let outcomes = [
        before.ran,
        before.panicked,
        before.displaced,
        before.rejected,
    ];
    assert!(outcomes.iter().all(|jobs| *jobs > 0), "{before:?}");
}

/// What is done to a pool meanwhile.
const SIZE: u64 = 0;
const PAUSE: u64 = 1;
const CLOSE: u64 = 2;
const LOOK: u64 = 3;
const WAYS: u64 = LOOK + 1;

/// Seldom a close: the others need an open pool.
fn chosen(dice: &mut Dice) -> u64 {
    match dice.below(4_000) {
        0 => CLOSE,
        1..1_500 => SIZE,
        1_500..2_000 => PAUSE,
        _ => LOOK,
    }
}

fn seconds() -> u64 {
    let set = std::env::var("SOAK_SECONDS");
    set.map_or(10, |seconds| {
        seconds.parse().expect("SOAK_SECONDS is a number")
    })
}

#[test]
#[ignore = "for as long as SOAK_SECONDS says"]
fn threads_lose_nothing() {
    soak(
        &OnThreads(options(threads::Pool::builder()).build()),
        seconds(),
        42,
    );
}

#[test]
#[ignore = "for as long as SOAK_SECONDS says"]
fn tasks_lose_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let pool = options(tasks::Pool::builder()).runtime(runtime.handle().clone());
    soak(&OnTasks(pool.build(), runtime), seconds(), 43);
}

/// A function pool, many pools and a part of a pool, each with a third of the jobs.
struct Others {
    func: threads::FuncPool<Job>,
    many: MultiPool<threads::Pool>,
    whole: Arc<threads::Pool>,
    part: threads::SubPool,
}

impl Others {
    fn new() -> Self {
        let pool = || options(threads::Pool::builder()).build();
        let whole = Arc::new(pool());
        Self {
            func: options(threads::FuncPool::builder()).build(Job::run),
            many: MultiPool::new(2, Strategy::RoundRobin, |_nth| pool()).unwrap(),
            part: threads::SubPool::new(&whole, "part", 4),
            whole,
        }
    }
}

impl Soaked for Others {
    fn submit(&self, way: u64, account: &Account, job: Job) {
        let number = job.number;
        if number.is_multiple_of(3) {
            match way % 4 {
                0 => _ = account.submitted(self.func.try_submit(job)),
                1 => {
                    let submitted = self.func.submit_displacing(job);
                    _ = account.submitted(submitted.map_err(SubmitError::from));
                }
                _ => _ = account.submitted(self.func.submit(job)),
            }
            return;
        }
        let run = move || job.run();
        match (number % 3, way) {
            (1, 0..4) => _ = account.submitted(self.many.try_submit(run)),
            (1, _) => _ = account.submitted(self.many.submit(run)),
            (_, 0..3) => _ = account.submitted(self.part.try_submit(run)),
            (_, 3) => _ = account.submitted(self.part.spawn(run)),
            (_, 4 | 5) => {
                if let Some(handle) = account.submitted(self.part.try_spawn(run)) {
                    account.wait(number, handle, way == 4);
                }
            }
            _ => _ = account.submitted(self.part.submit(run)),
        }
    }

    fn meddle(&self, way: u64, dice: &mut Dice) {
        let capacity = 1 + dice.below(6) as usize;
        match way {
            SIZE => {
                self.func.set_capacity(capacity);
                self.many.set_capacity(capacity);
                self.whole.set_capacity(capacity);
            }
            PAUSE => {
                self.whole.pause();
                self.func.pause();
                std::thread::yield_now();
                self.whole.resume();
                self.func.resume();
            }
            CLOSE => {
                self.many.close(LONG).unwrap();
                self.whole.close(LONG).unwrap();
                self.func.close(LONG).unwrap();
                self.many.reopen().unwrap();
                self.whole.reopen().unwrap();
                self.func.reopen().unwrap();
            }
            _ => _ = (self.stats(), self.part.taken()),
        }
    }

    fn is_closed(&self) -> bool {
        self.whole.is_closed()
    }

    fn stats(&self) -> Stats {
        [self.many.stats(), self.whole.stats(), self.func.stats()]
            .into_iter()
            .sum()
    }

    fn wait_idle(&self) {
        self.many.wait_idle();
        self.part.wait_idle();
        self.whole.wait_idle();
        self.func.wait_idle();
        assert_eq!(self.part.taken(), 0);
    }
}

#[test]
#[ignore = "for as long as SOAK_SECONDS says"]
fn other_pools_lose_nothing() {
    soak(&Others::new(), seconds(), 44);
}
