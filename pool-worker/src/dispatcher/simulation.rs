//! Everything that may happen to a pool, in any order: the steps of submitters, workers and
//! owners are taken one at a time, as a seeded choice says, for thousands of seeds. Then all
//! that is under way goes on until nothing does, and nobody may be left waiting.
//!
//! The models of loom look into the steps; this looks at what many of them come to.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::{Dispatcher, NotLaunched, Rest};
use crate::error::Reason;
use crate::hooks::Hooks;
use crate::options::{Builder, Options};
use crate::outcome::Outcome;
use crate::submit::Submission;
use crate::threads::FuncPool;
use crate::wait::{End, until};
use crate::worker::Worker;

/// A choice among so many, by splitmix64.
struct Choice(u64);

impl Choice {
    fn of(&mut self, many: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % many as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.of(many) == 0
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

enum At {
    New,
    /// Sees to its hook.
    Beginning,
    Looking,
    /// Found nothing, and has yet to rest.
    Empty,
    /// Has a job, and has yet to pass the call on.
    Taken,
    Running,
    Asleep,
    Leaving,
}

struct Hand {
    worker: Worker<u32>,
    at: At,
}

/// What waits, and whether it was told to look again.
struct Waiting<'a> {
    what: &'static str,
    future: Pin<Box<dyn Future<Output = ()> + 'a>>,
    woken: Arc<Woken>,
}

impl Waiting<'_> {
    fn poll(&mut self) -> Poll<()> {
        self.woken.0.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// The system's side: workers that were made, and whether it gives more.
#[derive(Default)]
struct System {
    made: Mutex<Vec<Worker<u32>>>,
    refuses: AtomicBool,
    refused: AtomicBool,
}

struct Simulation<'a> {
    pool: &'a Arc<Dispatcher<u32>>,
    system: &'a System,
    choice: Choice,
    hands: Vec<Hand>,
    /// Submitters that were accepted and have yet to rouse a worker.
    calls: usize,
    waiting: Vec<Waiting<'a>>,
    /// Jobs that run go on running, and hooks that are called.
    long: bool,
}

fn pool(choice: &mut Choice, system: &Arc<System>) -> Arc<Dispatcher<u32>> {
    let builder = Builder::<FuncPool<u32>>::new().capacity(1 + choice.of(3));
    let builder = match choice.of(8) {
        0 => builder.unlimited(),
        _ => builder.max_capacity(4).queue(choice.of(3)),
    };
    let options = Options {
        on_threads: choice.one_in(2),
        stay: choice.of(2),
        hooks: Hooks {
            start: choice.one_in(2).then(|| Arc::new(|_: &str| ()) as _),
            stop: choice.one_in(2).then(|| Arc::new(|_: &str| ()) as _),
        },
        ..builder.options
    };
    let system = Arc::clone(system);
    let launch = Box::new(move |worker| {
        if system.refuses.load(SeqCst) {
            drop(worker);
            system.refused.store(true, SeqCst);
            return Err(NotLaunched(io::Error::other("as intended")));
        }
        system.made.lock().unwrap().push(worker);
        Ok(())
    });
    let pool = Dispatcher::new(options, launch);
    if pool.options.on_threads {
        pool.queue.disarm();
        assert!(pool.prestart(1).is_ok());
    }
    pool
}

impl<'a> Simulation<'a> {
    /// One more of the things that come from outside.
    fn disturb(&mut self) {
        let pool = self.pool;
        match self.choice.of(16) {
            0..=4 => match pool.enqueue(0) {
                Ok(accepted) => self.calls += usize::from(accepted.wake),
                Err(rejected) if rejected.reason == Reason::Full => {
                    let submission = Submission::new(pool, rejected.job);
                    self.wait("a submitter", async move { drop(submission.await) });
                }
                Err(_) => {}
            },
            5 => drop(pool.displace(0, &mut Vec::new())),
            6 => self.wait("wait_idle", until(pool, End::Idle)),
            7 => {
                // Gives up.
                if !self.waiting.is_empty() {
                    let one = self.choice.of(self.waiting.len());
                    drop(self.waiting.swap_remove(one));
                }
            }
            8 => pool.pause(),
            9 | 10 => pool.resume(),
            11 => {
                let most = if pool.options.is_unlimited() { 6 } else { 4 };
                pool.set_capacity(1 + self.choice.of(most));
            }
            12 if self.choice.one_in(4) => {
                if pool.close().is_ok() {
                    self.wait("close", until(pool, End::Drained));
                }
            }
            13 => drop(pool.reopen()),
            // The time of one that sleeps is over.
            _ => self.expire(),
        }
    }

    fn wait(&mut self, what: &'static str, future: impl Future<Output = ()> + 'a) {
        let future = Box::pin(future);
        let woken = Arc::default();
        let mut waiting = Waiting {
            what,
            future,
            woken,
        };
        if waiting.poll().is_pending() {
            self.waiting.push(waiting);
        }
    }

    fn expire(&mut self) {
        let asleep = self.hands.iter_mut();
        for hand in asleep.filter(|hand| matches!(hand.at, At::Asleep)) {
            if self.choice.one_in(2) && hand.worker.expire() {
                hand.at = At::Leaving;
            }
        }
    }

    /// One step of what is under way; false if nothing is.
    fn go_on(&mut self) -> bool {
        let made = std::mem::take(&mut *self.system.made.lock().unwrap());
        let at = || At::New;
        self.hands
            .extend(made.into_iter().map(|worker| Hand { worker, at: at() }));
        let first = self.choice.of(self.hands.len() + 2);
        for nth in 0..self.hands.len() + 2 {
            let one = (first + nth) % (self.hands.len() + 2);
            let went_on = match one.checked_sub(2) {
                Some(hand) => self.step(hand),
                None if one == 0 => self.look_again(),
                None => self.call(),
            };
            if went_on {
                return true;
            }
        }
        false
    }

    fn call(&mut self) -> bool {
        let any = self.calls > 0;
        if any {
            self.calls -= 1;
            self.pool.rouse_one();
        }
        any
    }

    fn look_again(&mut self) -> bool {
        let woken = |waiting: &Waiting<'_>| waiting.woken.0.load(SeqCst);
        let Some(one) = self.waiting.iter().position(woken) else {
            return false;
        };
        if self.waiting[one].poll().is_ready() {
            drop(self.waiting.swap_remove(one));
        }
        true
    }

    /// How many jobs are taken and have not ended.
    fn run(&self) -> usize {
        let runs = |hand: &&Hand| matches!(hand.at, At::Taken | At::Running);
        self.hands.iter().filter(runs).count()
    }

    fn step(&mut self, one: usize) -> bool {
        let Hand { worker, at } = &mut self.hands[one];
        *at = match at {
            At::New => {
                worker.arrive();
                At::Beginning
            }
            At::Beginning if self.long && self.pool.options.hooks.start.is_some() => {
                return false;
            }
            At::Beginning => {
                worker.begin_work();
                At::Looking
            }
            At::Looking if worker.next(&mut None) => At::Taken,
            At::Looking => At::Empty,
            At::Empty => match worker.rest(Waker::noop()) {
                Rest::Sleep => At::Asleep,
                Rest::Again => At::Looking,
                Rest::Leave | Rest::Retire => At::Leaving,
            },
            At::Taken => {
                worker.relay();
                worker.begin();
                At::Running
            }
            At::Running if self.long => return false,
            At::Running => {
                worker.ended(Ok(Outcome::Ran));
                At::Looking
            }
            At::Asleep if worker.is_roused() => At::Looking,
            At::Asleep => return false,
            At::Leaving if self.long && self.pool.options.hooks.stop.is_some() => {
                return false;
            }
            At::Leaving => {
                drop(self.hands.swap_remove(one));
                return true;
            }
        };
        if matches!(self.hands[one].at, At::Taken) {
            let capacity = self.pool.workers.lock().capacity;
            assert!(self.run() <= capacity, "more run than may");
        }
        true
    }

    fn go_on_to_the_end(&mut self) {
        let mut steps = 0;
        while self.go_on() {
            steps += 1;
            assert!(steps < 100_000, "it goes on for ever");
        }
    }

    /// No job waits that could run beside those that do.
    fn settle_while_jobs_run(&mut self) {
        self.pool.resume();
        self.long = true;
        self.go_on_to_the_end();
        self.long = false;
        let stats = self.pool.stats();
        let held = self.pool.workers.lock().held;
        // A closed pool may hold back what it has not: for those that leave.
        let empty = self.pool.queue.is_closed() && stats.queued == 0;
        let surplus = self.run() > stats.capacity;
        assert!(!held || surplus || empty, "jobs are held back");
        let asleep = |hand: &Hand| matches!(hand.at, At::Asleep);
        let stays = |hand: &&Hand| !matches!(hand.at, At::Leaving);
        let staying = self.hands.iter().filter(stays).count();
        let may_run = self.hands.iter().any(asleep) || staying < stats.capacity;
        // Where a thread was refused, a job waits for the next of any kind.
        if may_run && !self.system.refused.swap(false, SeqCst) {
            let starting = |hand: &&Hand| matches!(hand.at, At::Beginning);
            let starting = self.hands.iter().filter(starting).count();
            assert!(stats.queued <= starting, "a job waits for another");
            assert!(
                stats.waiting == 0 || starting > 0,
                "a submitter waits for a job"
            );
        }
    }

    /// All that is under way comes to its end.
    fn settle(&mut self) {
        self.pool.resume();
        self.go_on_to_the_end();
        let counts = self.pool.queue.counts();
        assert_eq!(
            (counts.queued, counts.unfinished),
            (0, 0),
            "a job waits for ever"
        );
        for waiting in &mut self.waiting {
            assert!(waiting.poll().is_pending(), "{} was not told", waiting.what);
        }
        // Those left wait for what has not come: for a close that was undone.
        let left = self
            .waiting
            .iter()
            .filter(|waiting| waiting.what != "close");
        assert_eq!(left.count(), 0, "someone waits for ever");
        let stats = self.pool.stats();
        assert!(!self.pool.queue.is_closed() || stats.workers == 0);
        assert_eq!(stats.workers, self.hands.len());
        assert!(stats.workers <= stats.capacity);
        let least = usize::from(self.pool.options.on_threads && !self.pool.queue.is_closed());
        assert!(stats.workers >= least, "its last thread left");
    }
}

#[test]
fn nobody_is_left_waiting_whatever_happens() {
    let seeds = std::env::var("SIMULATION_SEEDS").map_or(3_000, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut choice = Choice(seed);
        let system = Arc::new(System::default());
        let pool = pool(&mut choice, &system);
        let case = std::panic::AssertUnwindSafe(|| {
            let mut simulation = Simulation {
                pool: &pool,
                system: &system,
                choice,
                hands: Vec::new(),
                calls: 0,
                waiting: Vec::new(),
                long: false,
            };
            for _ in 0..4 {
                for _ in 0..simulation.choice.of(60) {
                    let refuses = pool.options.on_threads && simulation.choice.one_in(3);
                    system.refuses.store(refuses, SeqCst);
                    if simulation.choice.one_in(2) {
                        simulation.disturb();
                    } else {
                        simulation.go_on();
                    }
                }
                system.refuses.store(false, SeqCst);
                simulation.settle_while_jobs_run();
                simulation.settle();
            }
        });
        if let Err(payload) = std::panic::catch_unwind(case) {
            eprintln!("with the seed {seed}");
            std::panic::resume_unwind(payload);
        }
    }
}
