//! The real binary under what a process has to bear: crowds, storms, too few
//! file descriptors, signals at full speed.

mod rpc_peer;
mod served;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rpc_peer::{ECHO, Peer, head, request, until, until_blocking};
use served::{Served, figure, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const UNDER_WAY: &str = "rpc_demo_requests_in_flight{server=\"front\"}";

/// Resident memory, in bytes.
fn resident(served: &Served) -> u64 {
    let path = format!("/proc/{}/statm", served.child.id());
    let pages = std::fs::read_to_string(path).expect("this is Linux");
    let resident = pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    resident * 4096
}

/// How many connections this process can open, of those that are wanted, once it may have as
/// many descriptors as the system lets it have: a shell lets it have fewer, mostly.
fn can_open(wanted: usize) -> usize {
    let id = std::process::id().to_string();
    // An upper limit that is left out is left as it is.
    let hard = "prlimit --pid $0 --nofile=$(prlimit --pid $0 --nofile --noheadings --output HARD):";
    let raised = Command::new("sh").args(["-c", hard, &id]).status();
    if !raised.is_ok_and(|status| status.success()) {
        eprintln!("the number of file descriptors cannot be raised here");
    }
    let limits = std::fs::read_to_string("/proc/self/limits").expect("this is Linux");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let most: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    let can = wanted.min(most.saturating_sub(200));
    if can < wanted {
        eprintln!("only {can} connections instead of {wanted}: too few file descriptors here");
    }
    can
}

async fn answered(peer: &mut Peer) {
    assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
}

#[tokio::test]
async fn ten_thousand_idle_connections_cost_little_and_calls_go_on() {
    let (served, addrs) = Served::limited(None, &[]);
    let echo = addrs["Echo"];
    answered(&mut Peer::connect(echo).await).await;
    let before = resident(&served);
    let count = can_open(10_000);
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut peer = Peer::connect(echo).await;
        answered(&mut peer).await;
        idle.push(peer);
    }
    let each = resident(&served).saturating_sub(before) / count as u64;
    // Not a measurement (that is `rpc/idle` of the benches), a bound: this
    // build is not optimised.
    assert!(each < 8192, "{each} bytes an idle connection");
    answered(&mut Peer::connect(echo).await).await;
    for peer in idle.iter_mut().step_by(97) {
        answered(peer).await;
    }
    served.signal("TERM");
    for peer in idle {
        peer.closed().await;
    }
    assert_eq!(served.wait().0, Some(0));
}

#[tokio::test]
async fn a_storm_of_connects_is_taken_in_and_each_is_answered() {
    let (served, addrs) = Served::limited(None, &[]);
    let echo = addrs["Echo"];
    let mut storm = JoinSet::new();
    for _ in 0..can_open(5_000) {
        storm.spawn(async move {
            let mut peer = Peer::connect(echo).await;
            answered(&mut peer).await;
            peer
        });
    }
    let peers = storm.join_all().await;
    drop(peers);
    answered(&mut Peer::connect(echo).await).await;
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[tokio::test]
async fn a_server_without_file_descriptors_recovers_when_there_are_some_again() {
    let (served, addrs) = Served::limited(Some(100), &[]);
    let echo = addrs["Echo"];
    let mut peers = Vec::new();
    // The kernel takes them all; the server cannot.
    for _ in 0..200 {
        peers.push(Peer::connect(echo).await);
    }
    answered(&mut peers[0]).await;
    let descriptors = format!("/proc/{}/fd", served.child.id());
    until(|| std::fs::read_dir(&descriptors).unwrap().count() >= 100).await;
    // Those that are open are served as before.
    answered(&mut peers[0]).await;
    peers.truncate(1);
    answered(&mut Peer::connect(echo).await).await;
    // It has tried again and again, but not all the time.
    let name = "rpc_demo_accept_failures_total{service=\"Echo\"}";
    let failures = figure(addrs["admin"], name);
    assert!((1..50).contains(&failures), "{failures}");
    answered(&mut peers[0]).await;
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[tokio::test]
async fn sigterm_with_a_peer_that_takes_no_replies_is_over_when_the_grace_is() {
    let (mut served, addrs) = Served::start_with(&["--grace", "100ms"], Stdio::piped());
    let mut stuck = Peer::connect(addrs["Echo"]).await;
    // The reply is more than the kernel takes.
    stuck
        .send(&request(&head(1, ECHO, 4), &vec![7; 8 << 20]))
        .await;
    until_blocking(|| figure(addrs["admin"], UNDER_WAY) > 0);
    // By itself, and it says that something accepted was lost.
    served.signal("TERM");
    let mut said = String::new();
    let mut console = served.child.stderr.take().unwrap();
    console.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("lost") && !said.contains("not stopped"),
        "{said}"
    );
    assert_eq!(served.wait().0, Some(1));
}

#[tokio::test]
async fn sigterm_at_full_speed_answers_or_refuses_every_call_and_cuts_none() {
    // However long a peer stands still meanwhile.
    let patient = ["--farewell", "1h", "--grace", "1h"];
    let (served, addrs) = Served::limited(None, &patient);
    let echo = addrs["Echo"];
    let (under_way, mut speed) = mpsc::unbounded_channel();
    let mut peers = JoinSet::new();
    for _ in 0..16 {
        peers.spawn(rpc_peer::until_told(echo, under_way.clone()));
    }
    for _ in 0..16 {
        speed.recv().await.unwrap();
    }
    served.signal("TERM");
    for (answered, refused) in peers.join_all().await {
        assert!(answered > 0 && refused > 0);
    }
    // 1 would say that something accepted was lost.
    assert_eq!(served.wait().0, Some(0));
}

/// Says that a test below is what the next one is run for, and the grace in seconds.
const BLOCKED: &str = "BLOCKED_FOR_EVER";

/// The process of the tests below: its one thread looks for events no more.
#[test]
#[ignore = "never ends by itself"]
fn blocked_for_ever() {
    let Ok(grace) = std::env::var(BLOCKED) else {
        return;
    };
    let grace = std::time::Duration::from_secs(grace.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let _stop = rpc_demo::shutdown::requested(grace).unwrap();
        println!("\nblocked");
        loop {
            std::thread::park();
        }
    });
}

/// Has a process begin that does not hear of its stop, with so many seconds of grace.
fn blocked(grace: u64) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "blocked_for_ever", "--ignored", "--nocapture"])
        .env(BLOCKED, grace.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "blocked"));
    child
}

#[test]
fn a_process_whose_runtime_is_blocked_is_ended_some_time_after_its_grace() {
    let mut child = blocked(0);
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_second_signal_ends_a_process_whose_runtime_is_blocked() {
    let mut child = blocked(u64::MAX);
    // Two of the same could be taken for one.
    for name in ["TERM", "INT"] {
        signal(child.id(), name);
    }
    let status = child.wait().unwrap().code();
    assert!(matches!(status, Some(130 | 143)), "{status:?}");
}
