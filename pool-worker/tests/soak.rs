//! Everything at once, at random, for as long as one likes: every job is
//! accounted for exactly once. Not in `.ci/run`, but for some seconds under the
//! sanitizers: see CONTRIBUTING.md.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use pool_worker::{Buildable, Builder, JobError, Reason, Stats, SubmitError, tasks, threads};
use tokio::runtime::Runtime;

const LONG: Duration = Duration::from_secs(60);

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
    cancelled: AtomicU64,
}

impl Account {
    fn number(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, SeqCst);
        (number < self.began.len()).then_some(number)
    }

    fn run(&self, number: usize) {
        assert_eq!(self.began[number].fetch_add(1, SeqCst), 0, "ran twice");
        if number.is_multiple_of(97) {
            self.panicked.fetch_add(1, SeqCst);
            // A panic that is not printed.
            std::panic::resume_unwind(Box::new("as intended"));
        }
        if number.is_multiple_of(31) {
            std::thread::yield_now();
        }
        self.ran.fetch_add(1, SeqCst);
    }

    fn submitted<J>(&self, submitted: Result<usize, SubmitError<J>>) {
        match submitted {
            Ok(_displaced) => self.accepted.fetch_add(1, SeqCst),
            Err(error) => {
                assert_ne!(error.reason(), Reason::Nested);
                self.rejected.fetch_add(1, SeqCst)
            }
        };
    }

    fn ended<R>(&self, result: &Result<R, JobError>) {
        if let Err(JobError::Cancelled) = result {
            self.cancelled.fetch_add(1, SeqCst);
        }
    }
}

/// The pool of one engine, as the soak needs it.
trait Soaked: Send + Sync + 'static {
    /// Submits in the way of this number.
    fn submit(&self, way: u64, account: &Arc<Account>, number: usize);
    fn meddle(&self, way: u64, dice: &mut Dice);
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
    ($engine:ty, $this:ident, $wait:ident => $pool:expr, |$account:ident, $number:ident| $job:expr, $result:ident => $handled:expr) => {
        impl Soaked for $engine {
            fn submit(&self, way: u64, account: &Arc<Account>, $number: usize) {
                let $this = self;
                let $wait = self;
                let $account = Arc::clone(account);
                let job = $job;
                let pool = &$pool;
                match way {
                    0 => account.submitted(pool.try_submit(job).map(|()| 0)),
                    1 => account.submitted(pool.submit_displacing(job)),
                    2 => account.submitted(self.timed(job).map(|()| 0)),
                    3 | 4 => match pool.try_spawn(job) {
                        Ok(handle) => {
                            account.accepted.fetch_add(1, SeqCst);
                            if way == 4 {
                                handle.cancel();
                            }
                            let $result = handle;
                            account.ended(&$handled);
                        }
                        Err(_) => _ = account.rejected.fetch_add(1, SeqCst),
                    },
                    _ => account.submitted(self.blocking(job).map(|()| 0)),
                }
            }

            fn meddle(&self, way: u64, dice: &mut Dice) {
                let $this = self;
                let pool = &$pool;
                match way {
                    0..=5 => pool.set_capacity(1 + dice.below(6) as usize),
                    6 => {
                        pool.pause();
                        std::thread::yield_now();
                        pool.resume();
                    }
                    7 if dice.below(500) == 0 => {
                        self.close();
                        // Not drained if the close came too late.
                        let begin = Instant::now();
                        while pool.is_closed() && pool.reopen().is_err() {
                            assert!(begin.elapsed() < LONG, "it never drained");
                            std::thread::yield_now();
                        }
                    }
                    _ => _ = (pool.stats(), pool.delay(), pool.oldest_waiting()),
                }
            }

            fn stats(&self) -> Stats {
                let $this = self;
                $pool.stats()
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
    fn close(&self) {
        let _ = self.0.close(LONG);
    }
    fn idle(&self) {
        self.0.wait_idle();
    }
}

soaked!(OnThreads, this, _this => this.0, |account, number| move || account.run(number), handle => handle.wait());

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
    fn close(&self) {
        let _ = self.1.block_on(self.0.close(LONG));
    }
    fn idle(&self) {
        self.1.block_on(self.0.wait_idle());
    }
}

soaked!(
    OnTasks, this, _this => this.0,
    |account, number| async move {
        if number.is_multiple_of(5) {
            tokio::task::yield_now().await;
        }
        account.run(number);
    },
    handle => handle.wait()
);

/// Rounds of some thousand jobs each; after each, every job is accounted for.
fn soak(pool: &impl Soaked, seconds: u64, seed: u64) {
    let begin = Instant::now();
    let (mut rounds, mut before) = (0u64, Stats::default());
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
                        pool.submit(dice.below(8), account, number);
                    }
                    submitting.fetch_sub(1, SeqCst);
                });
            }
            let mut dice = Dice(seed ^ (rounds + 0x9E37));
            while submitting.load(SeqCst) > 0 {
                let way = dice.below(16);
                pool.meddle(way, &mut dice);
            }
        });
        pool.wait_idle();
        let stats = pool.stats();
        let of = |counter: &AtomicU64| counter.load(SeqCst);
        let began = account
            .began
            .iter()
            .map(|began| u64::from(began.load(SeqCst)));
        assert_eq!(began.sum::<u64>(), of(&account.ran) + of(&account.panicked));
        assert_eq!(of(&account.accepted) + of(&account.rejected), 20_000);
        assert_eq!(stats.submitted - before.submitted, of(&account.accepted));
        assert_eq!(stats.rejected - before.rejected, of(&account.rejected));
        assert_eq!(stats.ran - before.ran, of(&account.ran));
        assert_eq!(stats.panicked - before.panicked, of(&account.panicked));
        // Others were cancelled while they waited, and then displaced.
        assert!(stats.cancelled - before.cancelled <= of(&account.cancelled));
        let over = stats.ran + stats.panicked + stats.cancelled + stats.displaced;
        assert_eq!(over, stats.submitted);
        assert_eq!((stats.queued, stats.running, stats.waiting), (0, 0, 0));
        before = stats;
        rounds += 1;
    }
    println!("{rounds} rounds of 20000 jobs: {before:?}");
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
