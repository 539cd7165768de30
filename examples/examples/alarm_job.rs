//! The alarm system at its full size: 7,000,000 policies, 2,778 Checks of 100 points a
//! second, and 2,500 Notifies a second beside them.
//!
//! `cargo run --release -p rpc-demo --example alarm_job`, for 20 seconds; `-- 5` for 5.
//!
//! Everything is the real thing and in one process, the callers too, so the memory is
//! that of all. Calls are sent when they are due, whether or not earlier ones have ended;
//! their latency counts from when they were due. One point of each Check breaches its
//! policy, and what Check raises goes to Notify as well.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use errgroup::Group;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use prost::Message;
use rpc_demo::admin::Admin;
use rpc_demo::alarm::loader;
use rpc_demo::alarm::message::{Alarm, CheckRequest, NotifyRequest, Point};
use rpc_demo::alarm::service::{CHECK, NOTIFY};
use rpc_demo::alarm::store::PolicyStore;
use rpc_demo::alarm::synthetic;
use rpc_demo::cli::Cli;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::listen::Listen;
use rpc_demo::load::host::unix_ms;
use rpc_demo::server;
use rpc_demo::stack::Stack;
use rpc_demo::wire::ContentType;
use tokio::runtime::Runtime;

const POLICIES: u32 = 7_000_000;
const SEED: u64 = 1;
const CHECKS: f64 = 2778.0;
const NOTIFIES: f64 = 2500.0;
const POINTS: u32 = 100;
/// How many different requests there are of each kind.
const BODIES: u32 = 512;

fn main() {
    let seconds = std::env::args().nth(1).map(|told| told.parse());
    let Ok(seconds) = seconds.unwrap_or(Ok(20.0)) else {
        eprintln!("alarm_job: for how many seconds?");
        std::process::exit(2);
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = server::runtime().build().expect("a runtime");
    work(&runtime, Duration::from_secs_f64(seconds));
}

fn work(servers: &Runtime, run: Duration) {
    let began = Instant::now();
    let store = loader::load(POLICIES, SEED, &[], |_| {});
    println!(
        "{} policies in {:.2} s",
        store.len(),
        began.elapsed().as_secs_f64()
    );
    println!("memory with them: {}", memory("VmRSS:"));

    let (checks, notifies) = (checks(&store), notifies(&store));
    let admin = servers.block_on(Admin::start(Listen::FREE.admin));
    let admin = admin.expect("a free port");
    let cli = Cli::read(["alarm_job"]).expect("nothing is said");
    let settings = cli.options.settle();
    let mut settings = settings.expect("the defaults are right");
    settings.listen = Listen::FREE;
    let stack = servers.block_on(Stack::start(&settings, ready(Arc::new(store)), admin));
    let stack = stack.expect("free ports");
    let addrs = stack.addrs();

    let stolen = stolen();
    let callers = Callers::new();
    // Beside the runtime of the servers, whose threads they would keep.
    let (checks, notifies) = std::thread::scope(|scope| {
        let notifies =
            scope.spawn(|| callers.drive(addrs.notify, NOTIFY, &notifies, NOTIFIES, run));
        let checks = callers.drive(addrs.check, CHECK, &checks, CHECKS, run);
        (checks, notifies.join().expect("a caller does not panic"))
    });
    print("Check of 100 points", &checks, run);
    print("Notify", &notifies, run);
    if let (Some(before), Some(now)) = (stolen, self::stolen()) {
        println!(
            "of the time in which a processor was wanted, the host kept {:.1} % for others",
            now.since(before)
        );
    }
    println!("memory at most: {}", memory("VmHWM:"));
    let last = servers.block_on(stack.stop(Duration::from_secs(10)));
    println!(
        "{} points, {} alarms raised, {} lost",
        last.points,
        last.raised,
        last.lost()
    );
}

/// Callers in a runtime of their own, as callers elsewhere are: what they do waits for
/// no handler, and is not waited for.
struct Callers {
    runtime: Runtime,
}

impl Callers {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Calls at this rate, each with the next body, until the run is over; how long they
    /// took, in microseconds. Blocks.
    fn drive(
        &self,
        addr: SocketAddr,
        method: &'static str,
        bodies: &[Bytes],
        rate: f64,
        run: Duration,
    ) -> Histogram<u64> {
        let _entered = self.runtime.enter();
        let client = Client::new(addr, ClientOptions::default());
        let took = Histogram::new_with_max(60_000_000, 3).expect("a minute to three digits");
        let took = Arc::new(Mutex::new(took));
        let calls = Group::<Infallible>::new();
        let start = Instant::now();
        for (nth, body) in (0..(rate * run.as_secs_f64()) as u32).zip(bodies.iter().cycle()) {
            let due = start + Duration::from_secs_f64(f64::from(nth) / rate);
            // tokio's timer would send those of a millisecond all at once.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (client, took, body) = (client.clone(), Arc::clone(&took), body.clone());
            calls.spawn(async move {
                let options = CallOptions::default();
                let call = client.call_raw(method, ContentType::PROTOBUF, body, &options);
                if let Err(error) = call.await {
                    // The rate that is printed is that of the answered.
                    tracing::warn!(%error, method, "a call failed");
                    return Ok(());
                }
                let micros = u64::try_from(due.elapsed().as_micros());
                took.lock().saturating_record(micros.unwrap_or(u64::MAX));
                Ok(())
            });
        }
        self.runtime.block_on(async {
            let Ok(()) = calls.wait().await;
            client.close().await;
        });
        let took = took.lock();
        took.clone()
    }
}

/// A point of a series that one of the policies watches; of those from this one on the
/// first that breaches the policy, or none at all.
fn point(store: &PolicyStore, from: u32, breaches: bool) -> Point {
    let numbers = (from..POLICIES).chain(0..from);
    let points = numbers.map(|number| {
        let series = synthetic::series(SEED, number);
        Point {
            region: series.region.into(),
            product: series.product.into(),
            metric: series.metric.into(),
            instance: series.instance,
            value: if breaches {
                series.breaching
            } else {
                series.calm
            },
            time_ms: unix_ms(),
        }
    });
    let calm = |point: &Point| {
        let mut watching = store.watching(point);
        watching.all(|(_, policy)| !policy.comparison.breached(point.value, policy.threshold))
    };
    // With other policies there may be none.
    let mut points = points.take(100_000);
    let found = points.find(|point| breaches || calm(point));
    found.expect("a series that breaches no policy")
}

/// As many policies apart as there are points.
fn checks(store: &PolicyStore) -> Vec<Bytes> {
    let apart = POLICIES / (BODIES * POINTS);
    let body = |call: u32| {
        let points = (0..POINTS).map(|nth| {
            let number = (call * POINTS + nth) * apart;
            point(store, number, nth == 0)
        });
        let points = points.collect();
        CheckRequest { points }.encode_to_vec().into()
    };
    (0..BODIES).map(body).collect()
}

fn notifies(store: &PolicyStore) -> Vec<Bytes> {
    let body = |call: u32| {
        let alarm = Alarm {
            policy: call,
            point: Some(point(store, call, true)),
            ..Alarm::default()
        };
        NotifyRequest {
            alarms: vec![alarm],
        }
        .encode_to_vec()
        .into()
    };
    (0..BODIES).map(body).collect()
}

fn print(name: &str, took: &Histogram<u64>, run: Duration) {
    let at = |part| took.value_at_quantile(part) as f64 / 1e3;
    println!(
        "{name}: {:.0} calls/s, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
        took.len() as f64 / run.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
    );
}

/// Time of all processors as Linux tells it, in its own units.
#[derive(Clone, Copy)]
struct Stolen {
    wanted: u64,
    /// Of it, what the host of this (virtual) machine gave to others: nothing runs then,
    /// which is no doing of anything that is measured here.
    stolen: u64,
}

fn stolen() -> Option<Stolen> {
    let told = std::fs::read_to_string("/proc/stat").ok()?;
    let times = told.lines().next()?.split_whitespace().skip(1);
    let times: Vec<u64> = times.map_while(|time| time.parse().ok()).collect();
    let [
        user,
        nice,
        system,
        _idle,
        _waiting,
        irq,
        softirq,
        stolen,
        ..,
    ] = times[..]
    else {
        return None;
    };
    let wanted = user + nice + system + irq + softirq + stolen;
    Some(Stolen { wanted, stolen })
}

impl Stolen {
    /// The part, in a hundred.
    fn since(self, before: Self) -> f64 {
        let wanted = (self.wanted - before.wanted).max(1);
        (self.stolen - before.stolen) as f64 * 100.0 / wanted as f64
    }
}

/// As Linux tells it of this process.
fn memory(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.map_or("not known here".to_owned(), |told| told.trim().to_owned())
}
