//! A server at up to four times its capacity: how many of the calls are answered in
//! time, and what becomes of the others.
//!
//! `cargo run --release -p rpc-demo --example rpc_overload`, which takes a minute;
//! `-- 1` for runs of one second, `-- 1 2` for those at twice the capacity alone. It
//! fails when, under control, less than half of what can be served is served in time, or
//! the urgent are turned away where some of the others are let in.
//!
//! The server runs on loopback, with its handlers on 20 workers. A handler waits for
//! 10 ms, as one that asks a database does, so the capacity does not hang on the
//! machine; it is measured first. Calls come when they are due, whether or not earlier
//! ones have ended, each with 100 ms to be answered in: one in ten urgent, four usual,
//! five in the background. What is measured begins after a part of each run, when the
//! policy has settled.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rpc_demo::client::{Client, ClientOptions};
use rpc_demo::load::overload::{self, ClassReport, Load, OverloadReport, Tally};
use rpc_demo::server::{Server, ServerOptions};
use tokio::task::JoinSet;
use tokio::time::Instant;

const LOADS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 4.0];
/// How long a server may take to stop.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq)]
enum Policy {
    /// First come, first served.
    Nothing,
    /// By priority and delay; the caller is one of another make.
    Control,
    /// The same, and the caller heeds the level that it is told.
    Heeded,
}

#[tokio::main]
async fn main() -> ExitCode {
    let told: Result<Vec<f64>, _> = std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let Ok(told) = told else {
        eprintln!("rpc_overload: how many seconds a run, and at which loads?");
        return ExitCode::from(2);
    };
    let (seconds, loads) = match &*told {
        [] => (3.5, &LOADS[..]),
        [seconds] => (*seconds, &LOADS[..]),
        [seconds, loads @ ..] => (*seconds, loads),
    };
    let run = Duration::from_secs_f64(seconds);
    let capacity = capacity(run / 3).await;
    let workers = overload::WORKERS;
    println!("capacity: {capacity:.0} calls/s, measured with {workers} calls at a time");
    println!(
        "{:<26} {:>4} {:>8} {:>5} {:>8}  {:<20} {:>6} {:>6} {:>6}",
        "policy", "load", "in time", "of it", "p99 ms", "urgent/usual/backgr.", "22", "124", "late"
    );
    let mut failures = Vec::new();
    for policy in [Policy::Nothing, Policy::Control, Policy::Heeded] {
        for &load in loads {
            let load = Load {
                per_second: capacity * load,
                run,
                settles: run / 3,
            };
            let shown = Shown::new(policy, load, capacity, &measure(policy, load).await);
            println!("{shown}");
            failures.extend(shown.failure());
        }
    }
    for failure in &failures {
        eprintln!("rpc_overload: {failure}");
    }
    match &*failures {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn server(policy: Policy) -> (Server, SocketAddr) {
    let service = match policy {
        Policy::Nothing => overload::uncontrolled(),
        Policy::Control | Policy::Heeded => overload::controlled(),
    };
    let mut server = Server::new(ServerOptions::default());
    let addr = server.serve(service, "127.0.0.1:0").await;
    let addr = addr.expect("loopback has a free port");
    (server, addr)
}

/// Calls a second while there is always one more for each worker, and none waits.
async fn capacity(run: Duration) -> f64 {
    let (server, addr) = server(Policy::Nothing).await;
    let client = Client::new(addr, ClientOptions::default());
    let end = Instant::now() + run;
    let mut callers = JoinSet::new();
    for _ in 0..overload::WORKERS {
        let client = client.clone();
        callers.spawn(async move {
            let mut answered = 0u32;
            while Instant::now() < end {
                let answer = overload::call(&client, 0).await;
                answer.expect("nobody has to wait");
                answered += 1;
            }
            f64::from(answered)
        });
    }
    let answered: f64 = callers.join_all().await.into_iter().sum();
    server.shutdown(DRAIN).await;
    answered / run.as_secs_f64()
}

/// What becomes of this load.
async fn measure(policy: Policy, load: Load) -> OverloadReport {
    let (server, addr) = server(policy).await;
    let client = Client::new(
        addr,
        ClientOptions {
            refuse_early: policy == Policy::Heeded,
            ..ClientOptions::default()
        },
    );
    let tally = Arc::<Tally>::default();
    let never = std::future::pending();
    overload::drive(client.clone(), load, Arc::clone(&tally), never).await;
    client.close().await;
    server.shutdown(DRAIN).await;
    tally.report(load, None)
}

/// One run, as it is shown.
struct Shown {
    policy: Policy,
    /// Calls that came, in capacities.
    load: f64,
    /// Calls a second that were served in time.
    goodput: f64,
    /// The same, in what can be: the capacity, or all that came.
    part: f64,
    p99_ms: f64,
    /// Urgent, usual, background.
    classes: [ClassReport; 3],
}

impl Shown {
    fn new(policy: Policy, load: Load, capacity: f64, report: &OverloadReport) -> Self {
        let mut classes = report.by_urgency().map(|(_, class)| *class);
        let classes = [(); 3].map(|()| classes.next().expect("three classes"));
        let served: u64 = classes.iter().map(|class| class.served).sum();
        let goodput = served as f64 / (load.run - load.settles).as_secs_f64();
        Self {
            policy,
            load: load.per_second / capacity,
            goodput,
            part: goodput / capacity.min(load.per_second),
            p99_ms: report.latency_us.p99 / 1e3,
            classes,
        }
    }

    fn sum(&self, of: impl Fn(&ClassReport) -> u64) -> u64 {
        self.classes.iter().map(of).sum()
    }

    /// What is not as it should be, under control. Without it, much is not.
    fn failure(&self) -> Option<String> {
        let at = format!("{}, at {} times the capacity", self.policy, self.load);
        if self.policy == Policy::Nothing {
            None
        } else if self.part < 0.5 {
            let percent = 100.0 * self.part;
            Some(format!("{at}: {percent:.0} % of what can be served"))
        } else if !self.spares_the_urgent() {
            Some(format!(
                "{at}: urgent calls were turned away, and others were not"
            ))
        } else {
            let failed = self.sum(|class| class.failed);
            (failed > 0).then(|| format!("{at}: {failed} calls failed otherwise"))
        }
    }

    /// Whether of the urgent, where any others were let in, at most a tenth of the part was
    /// turned away that was of the background. Who was late is not asked: that hangs on
    /// the machine.
    fn spares_the_urgent(&self) -> bool {
        let [urgent, usual, background] = self.classes;
        let turned_away = |class: ClassReport| part(class.not_sent + class.refused, class.calls);
        let others_let_in = usual.served + background.served > 0;
        !others_let_in || turned_away(urgent) <= 0.1 * turned_away(background)
    }
}

fn part(of: u64, whole: u64) -> f64 {
    of as f64 / whole.max(1) as f64
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Nothing => "none",
            Self::Control => "CoDel and DAGOR",
            Self::Heeded => "the same, level heeded",
        })
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |part: f64| format!("{:.0}%", 100.0 * part);
        let served = self
            .classes
            .map(|class| percent(part(class.served, class.calls)));
        let calls = self.sum(|class| class.calls);
        let [refused, not_sent, late] = [
            self.sum(|class| class.refused),
            self.sum(|class| class.not_sent),
            self.sum(|class| class.late),
        ]
        .map(|count| percent(part(count, calls)));
        write!(
            f,
            "{:<26} {:>4} {:>8.0} {:>5} {:>8.1}  {:<20} {refused:>6} {not_sent:>6} {late:>6}",
            self.policy,
            self.load,
            self.goodput,
            percent(self.part),
            self.p99_ms,
            served.join(" / "),
        )
    }
}
