//! Instructions of the hot paths, counted by callgrind: steady from run to
//! run, whatever else the machine does, and so a guard that noise cannot trip.
//! Beside them the locked ones among them, which cost many times as much as
//! the others, and the misses of a simulated first-level data cache.
//!
//! Each path is run so many times and then so many more; the difference,
//! divided by how many more it was, is what one operation takes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::mpsc;

use bytes::{Bytes, BytesMut};
use clap::Parser;
use errgroup::Group;
use pool_object::{Policy, Pool};
use pool_worker::threads::FuncPool;
use rpc_demo::wire::frame::{MAX_FRAME, VERSION};
use rpc_demo::wire::{FrameReader, RequestProtocol, frame};
use serde::{Deserialize, Serialize};

/// How much more than its budget a path may take: a new compiler moves a few.
const TOLERANCE: f64 = 1.05;
/// How much more often an operation may lock: a slow path in between.
const SELDOM: f64 = 0.05;
const FEW: u64 = 1_000;
const MANY: u64 = 5_000;

/// Counts instructions, and holds them against the budget.
#[derive(Debug, Parser)]
struct Args {
    /// Writes what was counted as the new budget
    #[arg(long)]
    write: bool,
    /// Runs a path so many times; for callgrind
    #[arg(long, hide = true, num_args = 2, value_names = ["PATH", "TIMES"])]
    run: Option<Vec<String>>,
}

/// Runs an operation so many times.
type Path = fn(u64);

/// The paths, by name.
const PATHS: [(&str, Path); 9] = [
    ("object/get_put", object_get_put),
    ("object/with", object_with),
    ("object/hold8", object_hold8),
    ("object/static", object_static),
    ("object/static_with", object_static_with),
    ("worker/func", worker_func),
    ("errgroup/spawn", errgroup_spawn),
    ("rpc/encode", rpc_encode),
    ("rpc/decode", rpc_decode),
];

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.run.as_deref() {
        Some([path, times]) => run(path, times),
        _ => check(args.write),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str, times: &str) -> Result<(), String> {
    let times = times.parse().map_err(|error| format!("{times}: {error}"))?;
    let found = PATHS.iter().find(|(name, _)| *name == path);
    let (_, run) = found.ok_or_else(|| format!("no path {path}"))?;
    run(times);
    Ok(())
}

fn check(write: bool) -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("a debug build says nothing about speed; add --release".into());
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    let budget = read_budget(&file)?;
    let mut counted = BTreeMap::new();
    let mut over = Vec::new();
    for (name, _) in PATHS {
        let cost = Cost::between(&count(name, FEW)?, &count(name, MANY)?);
        let allowed = budget.get(name).copied();
        let told = allowed.map_or("no budget".to_owned(), |allowed| allowed.to_string());
        println!("{name:<16} {cost}   budget: {told}");
        if allowed.is_none_or(|allowed| cost.exceeds(allowed)) {
            over.push(name);
        }
        counted.insert(name, cost);
    }
    if write {
        let text = serde_json::to_string_pretty(&counted).map_err(|error| error.to_string())?;
        return std::fs::write(&file, text + "\n").map_err(|error| error.to_string());
    }
    if over.is_empty() {
        Ok(())
    } else {
        Err(format!("over budget: {}", over.join(", ")))
    }
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Cost {
    instructions: f64,
    /// Locked ones among them (bus events, as callgrind calls them).
    locked: f64,
    /// Reads and writes that the first-level cache has not.
    misses: f64,
}

impl Cost {
    fn between(few: &Events, many: &Events) -> Self {
        let each = |names: &[&str]| {
            let sum = |events: &Events| names.iter().map(|name| events[*name]).sum::<f64>();
            let each = (sum(many) - sum(few)) / (MANY - FEW) as f64;
            (each * 100.0).round() / 100.0
        };
        Self {
            instructions: each(&["Ir"]),
            locked: each(&["Ge"]),
            misses: each(&["D1mr", "D1mw"]),
        }
    }

    /// Misses depend on where things happen to lie, and have no budget.
    fn exceeds(self, budget: Self) -> bool {
        self.instructions > budget.instructions * TOLERANCE || self.locked > budget.locked + SELDOM
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            instructions,
            locked,
            misses,
        } = self;
        write!(
            f,
            "{instructions:>7.1} instructions, {locked:>5.2} locked, {misses:>5.2} misses"
        )
    }
}

/// Counted events, by callgrind's names for them.
type Events = BTreeMap<String, f64>;

fn read_budget(file: &PathBuf) -> Result<BTreeMap<String, Cost>, String> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// The events of a process that runs a path so many times.
fn count(path: &str, times: u64) -> Result<Events, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--cache-sim=yes", "--collect-bus=yes"])
        .arg(this)
        .args(["--run", path, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let listed = |title: &str| Some(said.split(title).nth(1)?.lines().next()?.split_whitespace());
    let (Some(names), Some(counts), true) = (
        listed("Events    : "),
        listed("Collected : "),
        output.status.success(),
    ) else {
        return Err(said.into_owned());
    };
    let parsed = names.zip(counts).map(|(name, count)| {
        let count: f64 = count.parse().map_err(|error| format!("{count}: {error}"))?;
        Ok((name.to_owned(), count))
    });
    parsed.collect()
}

#[derive(Debug)]
struct Buffers;

impl Policy<Vec<u8>> for Buffers {
    fn create(&self) -> Vec<u8> {
        Vec::with_capacity(64)
    }

    fn reset(&self, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        true
    }
}

pool_object::static_pool! {
    static BUFFERS: Pool<Vec<u8>, Buffers> = Pool::new(Buffers);
}

/// Get, touch and put of a warm pool.
fn object_get_put(times: u64) {
    let pool = std::hint::black_box(Pool::new(Buffers));
    for _ in 0..times {
        pool.get().push(1);
    }
}

/// The same, in its place.
fn object_with(times: u64) {
    let pool = std::hint::black_box(Pool::new(Buffers));
    for _ in 0..times {
        pool.with(|buffer| buffer.push(1));
    }
}

/// Eight objects held at once, of which the thread's slot has but one.
fn object_hold8(times: u64) {
    let pool = std::hint::black_box(Pool::new(Buffers));
    for _ in 0..times {
        let mut held = [(); 8].map(|()| pool.get());
        held.iter_mut().for_each(|buffer| buffer.push(1));
    }
}

/// One object, of a pool in a static; then in its place.
fn object_static(times: u64) {
    for _ in 0..times {
        BUFFERS.get().push(1);
    }
}

fn object_static_with(times: u64) {
    for _ in 0..times {
        BUFFERS.with(|buffer| buffer.push(1));
    }
}

/// Submit and run of a job; the worker is held until all are submitted, so
/// that no sleep and no wake-up comes in between.
fn worker_func(times: u64) {
    enum Job {
        Wait(mpsc::Receiver<()>),
        Count(u64),
        Done(mpsc::Sender<u64>),
    }
    let sum = std::sync::atomic::AtomicU64::new(0);
    let queue = usize::try_from(times).expect("fits the memory") + 1;
    let pool = FuncPool::builder()
        .capacity(1)
        .queue(queue)
        .build(move |job: Job| {
            use std::sync::atomic::Ordering::Relaxed;
            match job {
                Job::Wait(go) => go.recv().expect("is told to go"),
                Job::Count(one) => sum.store(sum.load(Relaxed) + one, Relaxed),
                Job::Done(tell) => tell.send(sum.load(Relaxed)).expect("is waited for"),
            }
        });
    let (go, wait) = mpsc::channel();
    let (tell, done) = mpsc::channel();
    let submit = |job| assert!(pool.try_submit(job).is_ok(), "there is a place");
    submit(Job::Wait(wait));
    (0..times).for_each(|_| submit(Job::Count(1)));
    submit(Job::Done(tell));
    go.send(()).expect("the worker waits");
    assert_eq!(done.recv(), Ok(times));
}

/// Spawn and finish of a task of a group with a limit, on one thread.
fn errgroup_spawn(times: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let group = Group::<Infallible>::new().limit(64);
        for _ in 0..times {
            group.spawn(async { Ok(()) });
        }
        let Ok(()) = group.wait().await;
    });
}

/// A request of 128 bytes as a frame.
fn encode_request(out: &mut BytesMut) {
    let head = RequestProtocol {
        request_id: 7,
        timeout: 1000,
        func: Bytes::from_static(b"/rpcdemo.Echo/Echo"),
        ..RequestProtocol::default()
    };
    frame::encode(out, 7, VERSION, &head, &[7; 128], MAX_FRAME).expect("fits a frame");
}

/// Encode of a frame, its head put together anew.
fn rpc_encode(times: u64) {
    let mut out = BytesMut::new();
    for _ in 0..times {
        out.clear();
        encode_request(&mut out);
    }
}

/// Decode of a frame and its head, many of them a read.
fn rpc_decode(times: u64) {
    let mut encoded = BytesMut::new();
    (0..times).for_each(|_| encode_request(&mut encoded));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut reader = FrameReader::new(MAX_FRAME);
    let mut source = &encoded[..];
    let mut decoded = 0;
    while decoded < times {
        let filled = std::future::poll_fn(|cx| reader.poll_fill(cx, &mut source));
        runtime.block_on(filled).expect("memory is read");
        let (frames, rest) = reader.frames();
        rest.expect("nothing but frames");
        for frame in frames {
            let mut head = RequestProtocol::default();
            frame.read_head(&mut head).expect("a head");
            std::hint::black_box(&head);
            decoded += 1;
        }
    }
}
