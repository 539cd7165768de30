//! The real binary under what a process has to bear: crowds, storms, too few
//! file descriptors, signals at full speed.

mod rpc_peer;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use rpc_peer::{ECHO, Peer, head};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// `rpc-demo serve` on free ports, which ends with this.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    echo: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Served {
    /// With at most so many file descriptors, if that is said.
    fn start(descriptors: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limit = descriptors.map_or_else(|| "$(ulimit -Hn)".to_owned(), |most| most.to_string());
        let any = "127.0.0.1:0";
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -Sn {limit}; exec \"$@\""))
            .args([
                "sh",
                env!("CARGO_BIN_EXE_rpc-demo"),
                "serve",
                "--policies",
                "10",
            ])
            .args([
                "--echo", any, "--check", any, "--notify", any, "--admin", any,
            ])
            .arg("--alarm-log")
            .arg(folder.path().join("alarms.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let echo = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it did not start");
            if let ["listening", "Echo", addr] = line.split_whitespace().collect::<Vec<_>>()[..] {
                break addr.parse().unwrap();
            }
        };
        Self {
            child,
            stdout,
            echo,
            _folder: folder,
        }
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let pages = std::fs::read_to_string(path).expect("this is Linux");
        let resident = pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        resident * 4096
    }

    /// Sends SIGTERM; the exit status.
    fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(sent.unwrap().success());
    }

    fn status(mut self) -> Option<i32> {
        self.stdout.read_to_string(&mut String::new()).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many connections this process can open, of those that are wanted.
fn can_open(wanted: usize) -> usize {
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
    let served = Served::start(None);
    answered(&mut Peer::connect(served.echo).await).await;
    let before = served.resident();
    let count = can_open(10_000);
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut peer = Peer::connect(served.echo).await;
        answered(&mut peer).await;
        idle.push(peer);
    }
    let each = served.resident().saturating_sub(before) / count as u64;
    // Not a measurement (that is `rpc/idle` of the benches), a bound: this
    // build is not optimised.
    assert!(each < 8192, "{each} bytes an idle connection");
    answered(&mut Peer::connect(served.echo).await).await;
    for peer in idle.iter_mut().step_by(97) {
        answered(peer).await;
    }
    served.terminate();
    for peer in idle {
        peer.closed().await;
    }
    assert_eq!(served.status(), Some(0));
}

#[tokio::test]
async fn a_storm_of_connects_is_taken_in_and_each_is_answered() {
    let served = Served::start(None);
    let mut storm = JoinSet::new();
    for _ in 0..can_open(5_000) {
        let echo = served.echo;
        storm.spawn(async move {
            let mut peer = Peer::connect(echo).await;
            answered(&mut peer).await;
            peer
        });
    }
    let peers = storm.join_all().await;
    drop(peers);
    answered(&mut Peer::connect(served.echo).await).await;
    served.terminate();
    assert_eq!(served.status(), Some(0));
}

#[tokio::test]
async fn a_server_without_file_descriptors_recovers_when_there_are_some_again() {
    let served = Served::start(Some(100));
    let mut peers = Vec::new();
    // The kernel takes them all; the server cannot.
    for _ in 0..200 {
        peers.push(Peer::connect(served.echo).await);
    }
    answered(&mut peers[0]).await;
    let descriptors = format!("/proc/{}/fd", served.child.id());
    while std::fs::read_dir(&descriptors).unwrap().count() < 100 {
        tokio::task::yield_now().await;
    }
    // Those that are open are served as before.
    answered(&mut peers[0]).await;
    peers.truncate(1);
    answered(&mut Peer::connect(served.echo).await).await;
    answered(&mut peers[0]).await;
    served.terminate();
    assert_eq!(served.status(), Some(0));
}

#[tokio::test]
async fn sigterm_at_full_speed_answers_or_refuses_every_call_and_cuts_none() {
    let served = Served::start(None);
    let (under_way, mut speed) = mpsc::unbounded_channel();
    let mut peers = JoinSet::new();
    for _ in 0..16 {
        peers.spawn(rpc_peer::until_told(served.echo, under_way.clone()));
    }
    for _ in 0..16 {
        speed.recv().await.unwrap();
    }
    served.terminate();
    for (answered, refused) in peers.join_all().await {
        assert!(answered > 0 && refused > 0);
    }
    // 1 would say that something accepted was lost.
    assert_eq!(served.status(), Some(0));
}

/// Says that the next test is what this one is run for.
const BLOCKED: &str = "BLOCKED_FOR_EVER";

/// The process of the next test: its one thread looks for events no more.
#[test]
#[ignore = "never ends by itself"]
fn blocked_for_ever() {
    if std::env::var_os(BLOCKED).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let _stop = rpc_demo::shutdown::requested(std::time::Duration::MAX).unwrap();
        println!("\nblocked");
        loop {
            std::thread::park();
        }
    });
}

#[test]
fn a_second_signal_ends_a_process_whose_runtime_is_blocked() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "blocked_for_ever", "--ignored", "--nocapture"])
        .env(BLOCKED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "blocked"));
    let pid = child.id().to_string();
    // Two of the same could be taken for one.
    for signal in ["TERM", "INT"] {
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
    let status = child.wait().unwrap().code();
    assert!(matches!(status, Some(130 | 143)), "{status:?}");
}
