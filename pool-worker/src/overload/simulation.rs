//! Every policy against the same load, in virtual time: seeded, and the same on
//! every machine. A pool of eight workers has jobs of 4 ms on average; two seconds
//! of half its capacity, twenty of twice that, and two of half again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::codel::Codel;
use super::dagor::{Dagor, Gate, Level};
use super::schedule::{Next, Order, Schedule, Waiting};

const WORKERS: u32 = 8;
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

#[derive(Clone, Copy)]
struct Job {
    work: Duration,
    priority: u8,
}

/// One in five is urgent.
const URGENT: u8 = 0;
const OTHERS: u8 = 5;

#[derive(Debug, Default)]
struct Outcome {
    /// Delays of those served during the rush, by priority.
    served: [Vec<Duration>; 2],
    /// Of these, so many that somebody still waited for.
    good: u32,
    /// Came during the rush, and were refused, shed or expired.
    lost: [u32; 2],
    /// How long after the rush the last job waited more than the target.
    recovered_after: Duration,
}

impl Outcome {
    fn p99(&self) -> Duration {
        let mut all: Vec<_> = self.served.concat();
        all.sort_unstable();
        all[all.len() * 99 / 100]
    }

    /// Served in time, of what the workers could have done.
    fn goodput(&self) -> f64 {
        let capacity = (RUSH - CALM).as_secs_f64() / WORK.as_secs_f64() * f64::from(WORKERS);
        f64::from(self.good) / capacity
    }
}

struct Pool {
    order: Order,
    dagor: Option<Dagor>,
    /// Whether it is told who is urgent.
    priorities: bool,
}

impl Pool {
    /// Runs the load of one seed, with a rush of so many times the capacity.
    fn run(&self, rush: f64, seed: u64) -> Outcome {
        let mut dice = Dice(seed);
        let mut gate = self.dagor.map(Gate::new);
        let mut schedule = Schedule::new(self.order);
        let mut outcome = Outcome::default();
        let mut free_at: BinaryHeap<_> = (0..WORKERS).map(|_| Reverse(Duration::ZERO)).collect();
        let mut waiting = 0u32;
        let mut now = Duration::ZERO;
        loop {
            let load = if (CALM..RUSH).contains(&now) {
                rush
            } else {
                0.5
            };
            now += dice.exponential(WORK.div_f64(f64::from(WORKERS) * load));
            // Workers that are free before this job comes take what waits.
            while waiting > 0 {
                let Reverse(free) = *free_at.peek().expect("there are workers");
                if free > now {
                    break;
                }
                free_at.pop();
                let ends = self.work(&mut schedule, &mut gate, &mut waiting, free, &mut outcome);
                free_at.push(Reverse(ends));
            }
            if now >= END {
                if waiting > WORKERS {
                    outcome.recovered_after = END - RUSH;
                }
                return outcome;
            }
            let urgent = dice.unit() < 0.2;
            let job = Job {
                work: dice.exponential(WORK),
                priority: if urgent { URGENT } else { OTHERS },
            };
            let user = (dice.unit() * 1e6) as u64;
            let admits = |gate: &mut Gate| gate.admits(now, Level::of(job.priority, user));
            if !gate.as_mut().is_none_or(admits) {
                outcome.lost[usize::from(!urgent)] += u32::from((CALM..RUSH).contains(&now));
                continue;
            }
            waiting += 1;
            schedule.push(Waiting {
                job,
                priority: if self.priorities { job.priority } else { 0 },
                key: 0,
                cost: 1,
                accepted_at: now,
                expires_at: None,
            });
            // A worker that idled starts it now, not when it became free.
            let Reverse(free) = *free_at.peek().expect("there are workers");
            if free < now {
                free_at.pop();
                free_at.push(Reverse(now));
            }
        }
    }

    /// A worker is free: it runs the next job that is worth it. When it ends.
    fn work(
        &self,
        schedule: &mut Schedule<Job>,
        gate: &mut Option<Gate>,
        waiting: &mut u32,
        now: Duration,
        outcome: &mut Outcome,
    ) -> Duration {
        while let Some(next) = schedule.pop(now) {
            *waiting -= 1;
            let (Next::Run(job, delay) | Next::Shed(job, delay) | Next::Expired(job, delay)) =
                &next;
            if let Some(gate) = gate {
                gate.waited(*delay);
            }
            let came = job.accepted_at;
            let class = usize::from(job.job.priority != URGENT);
            if came >= RUSH && *delay > TARGET {
                outcome.recovered_after = outcome.recovered_after.max(came - RUSH);
            }
            let in_rush = (CALM..RUSH).contains(&came);
            match next {
                Next::Run(job, delay) => {
                    if in_rush {
                        outcome.served[class].push(delay);
                        outcome.good += u32::from(delay + job.job.work <= PATIENCE);
                    }
                    return now + job.job.work;
                }
                Next::Shed(..) | Next::Expired(..) => {
                    outcome.lost[class] += u32::from(in_rush);
                }
            }
        }
        now
    }
}

/// What each policy is to hold at so many times the capacity: 99 in 100 of those
/// served wait for at most three times the target, nine tenths of the capacity are of
/// use, nothing urgent is lost, some of the rest are served, and after the rush it
/// takes less than two intervals until nobody waits for long.
fn holds(pool: &Pool, load: f64) {
    for seed in SEEDS {
        let outcome = pool.run(load, seed);
        let goodput = outcome.goodput();
        assert!(outcome.p99() <= 3 * TARGET, "{seed}: {:?}", outcome.p99());
        assert!(goodput > 0.9, "{seed}: {goodput:.2}");
        assert_eq!(outcome.lost[0], 0, "{seed}");
        assert!(outcome.served[1].len() > 1000, "{seed}");
        let recovered = outcome.recovered_after;
        assert!(recovered < 2 * INTERVAL, "{seed}: {recovered:?}");
    }
}

const SEEDS: [u64; 3] = [1, 22, 333];

const CODEL: Codel = Codel::new(TARGET, INTERVAL);

fn codel() -> Order {
    Order {
        codel: Some(CODEL),
        ..Order::default()
    }
}

#[test]
fn without_a_policy_twice_the_capacity_serves_nobody_in_time() {
    let pool = Pool {
        order: Order::default(),
        dagor: None,
        priorities: false,
    };
    for seed in SEEDS {
        let outcome = pool.run(2.0, seed);
        assert!(outcome.goodput() < 0.1, "{seed}: {:.2}", outcome.goodput());
        assert!(outcome.p99() > 100 * TARGET, "{seed}: {:?}", outcome.p99());
        let recovered = outcome.recovered_after;
        assert!(recovered > 10 * INTERVAL, "{seed}: {recovered:?}");
    }
}

#[test]
fn codel_and_priorities_hold() {
    let pool = Pool {
        order: codel(),
        dagor: None,
        priorities: true,
    };
    holds(&pool, 2.0);
    holds(&pool, 4.0);
}

#[test]
fn newest_first_holds_and_serves_sooner() {
    let newest_first = Order {
        newest_first: true,
        ..codel()
    };
    let pool = Pool {
        order: newest_first,
        dagor: None,
        priorities: true,
    };
    holds(&pool, 2.0);
    for seed in SEEDS {
        let p99 = pool.run(2.0, seed).p99();
        assert!(p99 < 2 * TARGET, "{seed}: {p99:?}");
    }
}

#[test]
fn admission_by_priority_holds_where_codel_sheds_what_was_let_in() {
    let pool = Pool {
        // It comes and goes, for admission does most of the work: so it must be
        // quicker to come.
        order: Order {
            codel: Some(Codel::new(TARGET, INTERVAL / 2)),
            ..Order::default()
        },
        dagor: Some(Dagor::new(TARGET / 2).window(INTERVAL, 400)),
        priorities: true,
    };
    holds(&pool, 2.0);
}

/// Alone it does not shed what it let in before it knew, so that waits to be served,
/// and those behind it with it; until then nothing is as it should.
#[test]
fn admission_by_priority_alone_takes_its_time() {
    let pool = Pool {
        order: Order::default(),
        dagor: Some(Dagor::new(TARGET).window(INTERVAL, 400)),
        priorities: true,
    };
    for seed in SEEDS {
        let outcome = pool.run(2.0, seed);
        assert!(outcome.goodput() > 0.8, "{seed}: {:.2}", outcome.goodput());
        let urgent = outcome.served[0].len() + outcome.lost[0] as usize;
        assert!((outcome.lost[0] as usize) < urgent / 100, "{seed}");
        assert!(outcome.p99() > 3 * TARGET, "{seed}: {:?}", outcome.p99());
    }
}
