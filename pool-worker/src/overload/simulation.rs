//! Every policy against the same load, in virtual time: seeded, and the same on
//! every machine. A pool of eight workers has jobs of 4 ms on average; two seconds
//! of half its capacity, twenty of the rush, and two of half again.
//!
//! The desk is the real one; told here are the time, what comes, and what the pool
//! behind it does, which has tokens and workers.

mod policies;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::class::Class;
use super::control::Control;
use super::desk::{Desk, Running};
use super::epoch::Epoch;
use super::unserved::Unserved;
use crate::error::Reason;
use crate::outcome::Outcome as Ended;
use crate::sync::Mutex;

const WORKERS: usize = 8;
const WORK: Duration = Duration::from_millis(4);
/// What callers wait for at most.
const PATIENCE: Duration = Duration::from_millis(250);
const TARGET: Duration = Duration::from_millis(20);
const INTERVAL: Duration = Duration::from_millis(100);
const CALM: Duration = Duration::from_secs(2);
const RUSH: Duration = Duration::from_secs(22);
const END: Duration = Duration::from_secs(24);

/// A generator of numbers that is the same everywhere (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around a mean, as times between events of a crowd are.
    fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }
}

struct Job {
    work: Duration,
    came: Duration,
    /// Whether it is one of the few that are to be spared, or of the many.
    spared: bool,
}

#[derive(Debug, Default)]
struct Outcome {
    /// Delays of those served during the rush: of the spared, and of the many.
    served: [Vec<Duration>; 2],
    /// Of these, so many that somebody still waited for.
    good: u32,
    /// Came during the rush, and were refused, found the queue full, or were given back.
    lost: [u32; 2],
    /// How long after the rush the last job came that was lost or waited for more than
    /// the target.
    recovered_after: Duration,
    /// The most workers that there were, and those at the end.
    sizes: (usize, usize),
}

impl Outcome {
    fn p99(&self) -> Duration {
        let mut all: Vec<_> = self.served.concat();
        all.sort_unstable();
        all[all.len() * 99 / 100]
    }

    /// Served in time, of what eight workers could have done.
    fn goodput(&self) -> f64 {
        let capacity = (RUSH - CALM).as_secs_f64() / WORK.as_secs_f64() * WORKERS as f64;
        f64::from(self.good) / capacity
    }

    /// Of those that came in the rush.
    fn part_lost(&self) -> f64 {
        let lost = f64::from(self.lost[0] + self.lost[1]);
        lost / (lost + (self.served[0].len() + self.served[1].len()) as f64)
    }

    fn waited(&mut self, job: &Job, delay: Duration) {
        if in_rush(job.came) {
            self.served[usize::from(!job.spared)].push(delay);
            self.good += u32::from(delay + job.work <= PATIENCE);
        } else if delay > TARGET {
            self.not_well(job.came);
        }
    }

    fn lost(&mut self, job: &Job) {
        if in_rush(job.came) {
            self.lost[usize::from(!job.spared)] += 1;
        } else {
            self.not_well(job.came);
        }
    }

    fn not_well(&mut self, came: Duration) {
        let after = came.saturating_sub(RUSH);
        self.recovered_after = self.recovered_after.max(after);
    }
}

fn in_rush(came: Duration) -> bool {
    (CALM..RUSH).contains(&came)
}

/// Who comes: whether it is to be spared, and as what it is submitted.
type Crowd = fn(&mut Dice) -> (bool, Class);

#[derive(Clone, Copy)]
struct Pool {
    control: Control,
    crowd: Crowd,
    /// Whether jobs have a deadline.
    deadlines: bool,
    /// Jobs that may wait.
    queue: usize,
    /// Whether all jobs are alike and come at one pace.
    even: bool,
    /// Whether callers look at the level, and do not ask where they would be refused.
    heeds: bool,
    /// Something behind the pool bears so many jobs at once, and takes longer for more.
    behind: Option<usize>,
}

/// The workers of a pool, and the tokens that they take.
struct Workers<'a> {
    desk: &'a Desk<Job>,
    behind: Option<usize>,
    capacity: Arc<AtomicUsize>,
    /// Those that no worker has taken.
    tokens: usize,
    /// What runs, by its end.
    ends: BinaryHeap<Reverse<(Duration, u64)>>,
    running: BTreeMap<u64, Running<'a, Job>>,
    count: u64,
}

impl Workers<'_> {
    /// Takes tokens for as long as workers are free.
    fn start(&mut self, now: Duration, outcome: &Mutex<Outcome>) {
        while self.tokens > 0 && self.running.len() < self.capacity.load(Relaxed) {
            self.tokens -= 1;
            let Some((job, running)) = self.desk.next() else {
                continue;
            };
            job.run(|job| {
                outcome.lock().waited(&job, now.saturating_sub(job.came));
                let at_once = self.running.len() + 1;
                let crowded = self
                    .behind
                    .map_or(1.0, |bears| at_once as f64 / bears as f64);
                let ends = now + job.work.mul_f64(crowded.max(1.0));
                self.ends.push(Reverse((ends, self.count)));
                self.running.insert(self.count, running);
            });
            self.count += 1;
        }
    }

    /// The next job that ends before this, and when.
    fn end(&mut self, before: Duration) -> Option<(Duration, u64)> {
        let Reverse((ends, job)) = *self.ends.peek()?;
        (ends <= before).then(|| {
            self.ends.pop();
            (ends, job)
        })
    }
}

impl Pool {
    /// Runs the load of one seed, with a rush of so many times the capacity.
    fn run(&self, rush: f64, seed: u64) -> Outcome {
        let mut dice = Dice(seed);
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let time = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let lost = Arc::clone(&outcome);
        let desk = Desk::since(
            Epoch::is_told(began, Arc::clone(&time)),
            self.control,
            move |unserved: Unserved<Job>| lost.lock().lost(&unserved.job),
        );
        let first = self.control.sizes().map_or(WORKERS, |(first, _)| first);
        let capacity = Arc::new(AtomicUsize::new(first));
        let told = Arc::clone(&capacity);
        desk.resize_by(Box::new(move |size| told.store(size, Relaxed)));
        let mut workers = Workers {
            desk: &desk,
            behind: self.behind,
            capacity,
            tokens: 0,
            ends: BinaryHeap::new(),
            running: BTreeMap::new(),
            count: 0,
        };
        let mut most = 0;
        let set_time = |now: Duration| time.store(now.as_nanos() as u64, Relaxed);
        let mut now = Duration::ZERO;
        while now < END {
            let load = if in_rush(now) { rush } else { 0.5 };
            let between = WORK.div_f64(WORKERS as f64 * load);
            now += if self.even {
                between
            } else {
                dice.exponential(between)
            };
            while let Some((ended, job)) = workers.end(now) {
                set_time(ended);
                let running = workers.running.remove(&job);
                running.expect("it ran").ended(&Ended::Ran);
                workers.start(ended, &outcome);
            }
            set_time(now);
            let (spared, mut class) = (self.crowd)(&mut dice);
            if self.deadlines {
                class = class.deadline(began + now + PATIENCE);
            }
            let work = if self.even {
                WORK
            } else {
                dice.exponential(WORK)
            };
            let job = Job {
                work,
                came: now,
                spared,
            };
            if self.heeds && class.level() > desk.level() {
                outcome.lock().lost(&job);
                continue;
            }
            let limit = workers.capacity.load(Relaxed) + self.queue;
            let unfinished = workers.tokens + workers.running.len();
            let token = || {
                let room = unfinished < limit;
                if room { Ok(()) } else { Err(Reason::Full) }
            };
            match desk.submit(class, job, token) {
                Ok(taken) => workers.tokens += usize::from(taken.is_some()),
                Err(away) => outcome.lock().lost(&away.job),
            }
            workers.start(now, &outcome);
            most = most.max(workers.capacity.load(Relaxed));
        }
        let mut outcome = std::mem::take(&mut *outcome.lock());
        outcome.sizes = (most, workers.capacity.load(Relaxed));
        if workers.tokens > WORKERS {
            outcome.recovered_after = END - RUSH;
        }
        outcome
    }
}
