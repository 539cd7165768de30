//! A pool at half its capacity and up to four times of it, under each policy: how
//! much of what it does is of use, how long those wait who are served, who is turned
//! away, and how soon all is well when the load falls. With a chart.
//!
//! `cargo run --release -p pool-worker --example overload -- 2` has each rush last for
//! 2 seconds.

mod chart;

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Codel, Control, Dagor};
use pool_worker::threads::ControlledPool;

const WORKERS: usize = 8;
const WORK: Duration = Duration::from_millis(4);
/// What callers wait for at most.
const PATIENCE: Duration = Duration::from_millis(100);
const TARGET: Duration = Duration::from_millis(10);
const INTERVAL: Duration = Duration::from_millis(50);
const LOADS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 4.0];
/// One in five is urgent.
const URGENT: Class = Class::new();
const OTHERS: Class = Class::new().priority(5);

struct Request {
    came: Instant,
    urgent: bool,
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
    urgent: Account,
    others: Account,
    /// Of those served, how long they waited.
    waited: Vec<Duration>,
    /// After the rush, when the last one came that waited for longer than the target.
    recovered_after: Duration,
}

impl Outcome {
    fn account(&mut self, urgent: bool) -> &mut Account {
        if urgent {
            &mut self.urgent
        } else {
            &mut self.others
        }
    }

    fn p99(&mut self) -> Duration {
        self.waited.sort_unstable();
        let nth = (self.waited.len() * 99 / 100).min(self.waited.len().saturating_sub(1));
        self.waited.get(nth).copied().unwrap_or_default()
    }

    /// What was of use, of what the workers could have done.
    fn goodput(&self, rush: Duration) -> f64 {
        let possible = rush.as_secs_f64() / WORK.as_secs_f64() * WORKERS as f64;
        (self.urgent.in_time + self.others.in_time) as f64 / possible
    }
}

fn policies() -> [(&'static str, Control); 5] {
    let codel = Codel::new(TARGET, INTERVAL);
    let dagor = Dagor::new(TARGET / 2).window(INTERVAL, 2000);
    let quick = Codel::new(TARGET, INTERVAL / 2);
    [
        ("priorities alone", Control::new()),
        ("codel", Control::new().codel(codel)),
        ("newest first", Control::new().codel(codel).newest_first()),
        ("dagor", Control::new().dagor(dagor)),
        ("codel and dagor", Control::new().codel(quick).dagor(dagor)),
    ]
}

/// Sends requests at so many times the capacity.
fn send(
    pool: &ControlledPool<Request>,
    load: f64,
    until: Instant,
    outcome: Option<&Mutex<Outcome>>,
) {
    let between = WORK.div_f64(WORKERS as f64 * load);
    let mut due = Instant::now();
    let mut nth = 0u64;
    while due < until {
        sleep(due.saturating_duration_since(Instant::now()));
        let urgent = nth.is_multiple_of(5);
        let class = if urgent { URGENT } else { OTHERS };
        let class = class.user(nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32);
        let came = Instant::now();
        let sent = pool.submit(class.deadline(came + PATIENCE), Request { came, urgent });
        if let Some(outcome) = outcome {
            let mut outcome = outcome.lock().unwrap();
            let account = outcome.account(urgent);
            account.came += 1;
            account.turned_away += usize::from(sent.is_err());
        }
        due += between;
        nth += 1;
    }
}

fn rush(control: Control, load: f64, lasts: Duration) -> Outcome {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let starts = Instant::now();
    let ends = starts + lasts;
    let (served, unserved) = (Arc::clone(&outcome), Arc::clone(&outcome));
    let in_rush = move |came: Instant| (starts..ends).contains(&came);
    let pool = ControlledPool::builder()
        .capacity(WORKERS)
        .queue(100_000)
        .build(
            control,
            move |request: Request| {
                let waited = request.came.elapsed();
                sleep(WORK);
                let in_time = request.came.elapsed() <= PATIENCE;
                let mut outcome = served.lock().unwrap();
                if in_rush(request.came) {
                    outcome.waited.push(waited);
                    outcome.account(request.urgent).in_time += usize::from(in_time);
                } else if waited > TARGET {
                    let after = request.came - ends;
                    outcome.recovered_after = outcome.recovered_after.max(after);
                }
            },
            move |back| {
                if in_rush(back.job.came) {
                    let mut outcome = unserved.lock().unwrap();
                    outcome.account(back.job.urgent).turned_away += 1;
                }
            },
        );
    send(&pool, load, ends, Some(&outcome));
    send(&pool, 0.5, ends + lasts / 2, None);
    pool.close(Duration::from_secs(60)).expect("it drains");
    std::mem::take(&mut outcome.lock().unwrap())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(0.4), |arg| arg.parse())?;
    let lasts = Duration::from_secs_f64(seconds);
    println!("{WORKERS} workers, jobs of {WORK:?}, a target of {TARGET:?}; callers wait for");
    println!("{PATIENCE:?}; one in five is urgent\n");
    println!(
        "{:<17} {:>4} {:>8} {:>9} {:>15} {:>15} {:>10}",
        "policy", "load", "goodput", "p99", "urgent away", "others away", "recovered"
    );
    let mut lines = Vec::new();
    for (policy, control) in policies() {
        let mut points = Vec::new();
        for load in LOADS {
            let mut outcome = rush(control, load, lasts);
            let (goodput, p99) = (outcome.goodput(lasts), outcome.p99());
            let away = |account: Account| format!("{} of {}", account.turned_away, account.came);
            println!(
                "{policy:<17} {load:>4} {:>6.0} % {p99:>9.1?} {:>15} {:>15} {:>7} ms",
                goodput * 100.0,
                away(outcome.urgent),
                away(outcome.others),
                outcome.recovered_after.as_millis(),
            );
            points.push(chart::Point { load, goodput, p99 });
        }
        lines.push((policy, points));
    }
    let file = std::env::temp_dir().join("overload.svg");
    chart::draw(&file, &lines, TARGET)?;
    println!("\na chart is in {}", file.display());
    Ok(())
}
