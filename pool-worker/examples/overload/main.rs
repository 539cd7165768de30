//! A pool at half its capacity and up to four times of it, without a policy and under
//! each: how much of what it does is of use, how long those wait who are served, who is
//! turned away, and how soon all is well when the load falls. With a chart.
//!
//! `cargo run --release -p pool-worker --example overload -- 2` has each rush last for
//! 2 seconds.

mod chart;
mod policy;

use std::sync::{Arc, Condvar, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use policy::Policy;
use pool_worker::threads::ControlledPool;

const WORKERS: usize = 8;
const WORK: Duration = Duration::from_millis(4);
/// What callers wait for at most.
const PATIENCE: Duration = Duration::from_millis(100);
const TARGET: Duration = Duration::from_millis(10);
const INTERVAL: Duration = Duration::from_millis(50);
const LOADS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 4.0];

struct Request {
    came: Instant,
    /// Whether it is one of the few that are to be spared.
    few: bool,
}

/// Something behind the pool that bears so many at once; others wait for it.
struct Behind {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Behind {
    fn work(&self) {
        let free = self.free.lock().unwrap();
        *self.freed.wait_while(free, |free| *free == 0).unwrap() -= 1;
        sleep(WORK);
        *self.free.lock().unwrap() += 1;
        self.freed.notify_one();
    }
}

/// What became of the requests of one class that came during the rush.
#[derive(Clone, Copy, Default)]
struct Account {
    came: usize,
    /// Served, and somebody still waited for it.
    in_time: usize,
    /// Refused, full, shed or expired.
    turned_away: usize,
}

#[derive(Default)]
struct Outcome {
    few: Account,
    many: Account,
    /// Of those served, how long they waited.
    waited: Vec<Duration>,
    /// After the rush, when the last one came that was turned away, or waited for longer
    /// than the target.
    recovered_after: Duration,
    /// When the last one of all came.
    calm_until: Duration,
}

impl Outcome {
    fn account(&mut self, few: bool) -> &mut Account {
        if few { &mut self.few } else { &mut self.many }
    }

    fn not_well(&mut self, after_rush: Duration) {
        self.recovered_after = self.recovered_after.max(after_rush);
    }

    fn turned_away(&mut self, request: &Request, ends: Instant) {
        if request.came < ends {
            self.account(request.few).turned_away += 1;
        } else {
            self.not_well(request.came - ends);
        }
    }

    fn p99(&mut self) -> Duration {
        self.waited.sort_unstable();
        let nth = (self.waited.len() * 99 / 100).min(self.waited.len().saturating_sub(1));
        self.waited.get(nth).copied().unwrap_or_default()
    }

    /// If even the last was not well, it is longer than what was looked at.
    fn recovery(&self) -> String {
        let longer = self.recovered_after >= self.calm_until;
        let sign = if longer { ">" } else { "" };
        format!("{sign}{} ms", self.recovered_after.as_millis())
    }

    /// What was of use, of what the workers could have done.
    fn goodput(&self, rush: Duration) -> f64 {
        let possible = rush.as_secs_f64() / WORK.as_secs_f64() * WORKERS as f64;
        (self.few.in_time + self.many.in_time) as f64 / possible
    }
}

/// Sends requests at so many times the capacity. How many, of the many and of the few, and
/// when the last one came.
fn send(
    pool: &ControlledPool<Request>,
    policy: &Policy,
    load: f64,
    until: Instant,
    turned_away: impl Fn(&Request),
) -> ([usize; 2], Instant) {
    let between = WORK.div_f64(WORKERS as f64 * load);
    let mut due = Instant::now();
    let mut sent = [0; 2];
    let mut last = due;
    for nth in 0u64.. {
        if due >= until {
            break;
        }
        sleep(due.saturating_duration_since(Instant::now()));
        let came = Instant::now();
        last = came;
        let few = nth.is_multiple_of(5);
        let class = policy.class(few, nth, came + PATIENCE);
        sent[usize::from(few)] += 1;
        if let Err(error) = pool.submit(class, Request { came, few }) {
            turned_away(&error.into_job());
        }
        due += between;
    }
    (sent, last)
}

fn rush(policy: &Policy, load: f64, lasts: Duration) -> Outcome {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let behind = Behind {
        free: Mutex::new(policy.behind.unwrap_or(usize::MAX / 2)),
        freed: Condvar::new(),
    };
    let ends = Instant::now() + lasts;
    let (served, unserved) = (Arc::clone(&outcome), Arc::clone(&outcome));
    let pool = ControlledPool::builder()
        .capacity(WORKERS)
        .queue(100_000)
        .build(
            policy.control,
            move |request: Request| {
                let waited = request.came.elapsed();
                behind.work();
                let in_time = request.came.elapsed() <= PATIENCE;
                let mut outcome = served.lock().unwrap();
                if request.came < ends {
                    outcome.waited.push(waited);
                    outcome.account(request.few).in_time += usize::from(in_time);
                } else if waited > TARGET {
                    outcome.not_well(request.came - ends);
                }
            },
            move |back| unserved.lock().unwrap().turned_away(&back.job, ends),
        );
    let turned_away = |request: &Request| outcome.lock().unwrap().turned_away(request, ends);
    let ([many, few], _) = send(&pool, policy, load, ends, turned_away);
    let (_, last) = send(&pool, policy, 0.5, ends + lasts / 2, turned_away);
    pool.close(Duration::from_secs(60)).expect("it drains");
    let mut outcome = std::mem::take(&mut *outcome.lock().unwrap());
    (outcome.many.came, outcome.few.came) = (many, few);
    outcome.calm_until = last.saturating_duration_since(ends);
    outcome
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(0.4), |arg| arg.parse())?;
    let lasts = Duration::from_secs_f64(seconds);
    println!("{WORKERS} workers, jobs of {WORK:?}, a target of {TARGET:?}; callers wait for");
    println!("{PATIENCE:?}; one in five is to be spared\n");
    println!(
        "{:<17} {:>4} {:>8} {:>9} {:>15} {:>15} {:>10}",
        "policy", "load", "goodput", "p99", "few away", "many away", "recovered"
    );
    let mut lines = Vec::new();
    for policy in policy::all() {
        let mut points = Vec::new();
        for load in LOADS {
            let mut outcome = rush(&policy, load, lasts);
            let (goodput, p99) = (outcome.goodput(lasts), outcome.p99());
            let away = |account: Account| format!("{} of {}", account.turned_away, account.came);
            println!(
                "{:<17} {load:>4} {:>6.0} % {p99:>9.1?} {:>15} {:>15} {:>10}",
                policy.name,
                goodput * 100.0,
                away(outcome.few),
                away(outcome.many),
                outcome.recovery(),
            );
            points.push(chart::Point { load, goodput, p99 });
        }
        lines.push((policy.name, points));
    }
    let file = std::env::temp_dir().join("overload.svg");
    chart::draw(&file, &lines, TARGET)?;
    println!("\na chart is in {}", file.display());
    Ok(())
}
