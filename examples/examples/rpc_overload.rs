//! A server at up to four times its capacity: how many of the calls are answered in
//! time, and what becomes of the others.
//!
//! `cargo run --release -p rpc-demo --example rpc_overload`, which takes a minute;
//! `-- 1` for runs of one second, `-- 1 2` for those at twice the capacity alone. It
//! fails when control turns away the urgent where it lets in some of the others.
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

use bytes::Bytes;
use parking_lot::Mutex;
use pool_worker::overload::{Codel, Control, Dagor};
use rpc_demo::client::{CallError, CallOptions, Client, ClientOptions};
use rpc_demo::server::{PoolOptions, Server, ServerOptions, Service};
use rpc_demo::urgency::{PRIORITY, USER};
use rpc_demo::wire::{Code, ContentType};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const WORKERS: usize = 20;
const COST: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_millis(100);
const USERS: u64 = 1000;
const LOADS: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 4.0];
/// Of ten calls: the priority of each.
const PRIORITIES: [u8; 10] = [5, 20, 40, 20, 40, 20, 40, 20, 40, 40];

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
    let mut spared = true;
    let run = Duration::from_secs_f64(seconds);
    let capacity = capacity(run / 3).await;
    println!("capacity: {capacity:.0} calls/s, measured with {WORKERS} calls at a time");
    println!(
        "{:<26} {:>4} {:>8} {:>5} {:>8}  {:<20} {:>6} {:>6} {:>6}",
        "policy", "load", "in time", "of it", "p99 ms", "urgent/usual/backgr.", "22", "124", "late"
    );
    for policy in [Policy::Nothing, Policy::Control, Policy::Heeded] {
        for &load in loads {
            let (server, addr) = server(policy).await;
            let tally = drive(policy, addr, capacity * load, run).await;
            spared &= policy == Policy::Nothing || tally.spares_the_urgent();
            tally.print(policy, load, capacity);
            server.shutdown(TIMEOUT).await;
        }
    }
    if !spared {
        eprintln!("rpc_overload: urgent calls were turned away, and others were not");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn server(policy: Policy) -> (Server, SocketAddr) {
    let pool = PoolOptions {
        capacity: WORKERS,
        queue: 10_000,
    };
    let service = Service::new("Slow", "demo.Slow");
    let service = match policy {
        Policy::Nothing => service.pooled(pool),
        Policy::Control | Policy::Heeded => {
            let dagor =
                Dagor::new(Duration::from_millis(5)).window(Duration::from_millis(100), 2000);
            let control = Control::new().codel(Codel::default()).dagor(dagor);
            service.controlled(pool, control)
        }
    };
    let service = service.raw("Wait", |_, body| async move {
        sleep(COST).await;
        Ok(body)
    });
    let mut server = Server::new(ServerOptions::default());
    let addr = server.serve(service, "127.0.0.1:0").await;
    let addr = addr.expect("loopback has a free port");
    (server, addr)
}

async fn call(client: &Client, nth: u64) -> Result<Bytes, CallError> {
    let said = [
        (PRIORITY, u64::from(priority(nth))),
        // Ten calls in a row are of different users.
        (USER, nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) % USERS),
    ];
    let said = said.map(|(key, value)| (key.to_owned(), value.to_string().into()));
    let options = CallOptions {
        timeout: TIMEOUT,
        meta: said.into(),
        ..CallOptions::default()
    };
    let body = Bytes::from_static(b"body");
    client
        .call_raw("/demo.Slow/Wait", ContentType::RAW, body, &options)
        .await
}

fn priority(nth: u64) -> u8 {
    PRIORITIES[(nth % 10) as usize]
}

/// Calls a second while there is always one more for each worker, and none waits.
async fn capacity(run: Duration) -> f64 {
    let (server, addr) = server(Policy::Nothing).await;
    let client = Client::new(addr, ClientOptions::default());
    let end = Instant::now() + run;
    let mut callers = JoinSet::new();
    for _ in 0..WORKERS {
        let client = client.clone();
        callers.spawn(async move {
            let mut answered = 0u32;
            while Instant::now() < end {
                call(&client, 0).await.expect("nobody has to wait");
                answered += 1;
            }
            f64::from(answered)
        });
    }
    let answered: f64 = callers.join_all().await.into_iter().sum();
    server.shutdown(TIMEOUT).await;
    answered / run.as_secs_f64()
}

/// Calls at this rate until the run is over, and what became of them.
async fn drive(policy: Policy, addr: SocketAddr, rate: f64, run: Duration) -> Tally {
    let client = ClientOptions {
        refuse_early: policy == Policy::Heeded,
        ..ClientOptions::default()
    };
    let client = Client::new(addr, client);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now();
    let settled = start + run / 3;
    let mut calls = JoinSet::new();
    for nth in 0..(rate * run.as_secs_f64()) as u64 {
        let due = start + Duration::from_secs_f64(nth as f64 / rate);
        // The timer's step is a millisecond: several may be due.
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let (client, tally) = (client.clone(), Arc::clone(&tally));
        calls.spawn(async move {
            let result = call(&client, nth).await;
            if due >= settled {
                tally.lock().add(priority(nth), due.elapsed(), result);
            }
        });
    }
    calls.join_all().await;
    client.close().await;
    let mut tally = std::mem::take(&mut *tally.lock());
    tally.seconds = (run - run / 3).as_secs_f64();
    tally
}

/// How many calls of a class came, were answered in time, and were turned away, by the
/// server or their client.
#[derive(Clone, Copy, Default)]
struct Class {
    came: u32,
    answered: u32,
    turned_away: u32,
}

/// What became of the calls.
#[derive(Default)]
struct Tally {
    seconds: f64,
    /// How long those took that were answered in time.
    took: Vec<Duration>,
    /// Urgent, usual, background.
    classes: [Class; 3],
    /// Refused by the server, with code 22.
    refused: u32,
    /// Not sent: code 124.
    early: u32,
    /// Not answered in time.
    late: u32,
}

impl Tally {
    fn add(&mut self, priority: u8, took: Duration, result: Result<Bytes, CallError>) {
        let class = &mut self.classes[usize::from(priority) / 20];
        class.came += 1;
        match result.map_err(|error| error.code()) {
            Ok(_) if took <= TIMEOUT => {
                class.answered += 1;
                self.took.push(took);
            }
            Err(code @ (Code::SERVER_OVERLOAD | Code::CLIENT_OVERLOAD)) => {
                class.turned_away += 1;
                self.refused += u32::from(code == Code::SERVER_OVERLOAD);
                self.early += u32::from(code == Code::CLIENT_OVERLOAD);
            }
            Ok(_) | Err(Code::CLIENT_TIMEOUT | Code::SERVER_TIMEOUT | Code::FULL_LINK_TIMEOUT) => {
                self.late += 1;
            }
            Err(code) => panic!("{code}"),
        }
    }

    /// Whether of the urgent, where any others were let in, at most a tenth of the part was
    /// turned away that was of the background. Who was late is not asked: that hangs on
    /// the machine.
    fn spares_the_urgent(&self) -> bool {
        let [urgent, usual, background] = self.classes;
        let part = |class: Class| f64::from(class.turned_away) / f64::from(class.came.max(1));
        let others_let_in = usual.answered + background.answered > 0;
        !others_let_in || part(urgent) <= 0.1 * part(background)
    }

    fn print(mut self, policy: Policy, load: f64, capacity: f64) {
        let name = match policy {
            Policy::Nothing => "none",
            Policy::Control => "CoDel and DAGOR",
            Policy::Heeded => "the same, level heeded",
        };
        let goodput = self.took.len() as f64 / self.seconds;
        self.took.sort_unstable();
        let p99 = self.took.get(self.took.len() * 99 / 100);
        let p99 = p99.map_or("-".to_owned(), |p99| {
            format!("{:.1}", p99.as_secs_f64() * 1e3)
        });
        let came: u32 = self.classes.iter().map(|class| class.came).sum();
        let percent = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole.max(1));
        let classes = self
            .classes
            .map(|class| format!("{:.0}%", percent(class.answered, class.came)));
        let [refused, early, late] = [self.refused, self.early, self.late]
            .map(|part| format!("{:.0}%", percent(part, came)));
        println!(
            "{name:<26} {load:>4} {goodput:>8.0} {:>4.0}% {p99:>8}  {:<20} {refused:>6} {early:>6} {late:>6}",
            100.0 * goodput / capacity,
            classes.join(" / "),
        );
    }
}
