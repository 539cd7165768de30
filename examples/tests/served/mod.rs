//! The binary as a process, with all that is asked of it.
#![allow(dead_code)] // each test file uses a part of it

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_rpc-demo");

pub fn rpc_demo(args: &[&str]) -> Command {
    clean(Command::new(BINARY), args)
}

fn clean(mut command: Command, args: &[&str]) -> Command {
    command.args(args).stdin(Stdio::null());
    // Whatever the one who runs the tests has set.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RPC_DEMO_")) {
        command.env_remove(name);
    }
    command
}

pub fn run(args: &[&str]) -> Output {
    rpc_demo(args).output().expect("the binary starts")
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.unwrap().success());
}

/// Where the services and the admin port listen.
pub type Addrs = HashMap<String, SocketAddr>;

/// A server that is ended with the test.
pub struct Served {
    pub child: Child,
    stdout: BufReader<ChildStdout>,
    /// Holds the alarm log.
    _folder: tempfile::TempDir,
}

impl Served {
    /// Starts `serve` on free ports, and waits for its lines.
    pub fn start(more: &[&str]) -> (Self, Addrs) {
        Self::start_with(more, Stdio::null())
    }

    pub fn start_with(more: &[&str], stderr: Stdio) -> (Self, Addrs) {
        Self::spawn(Command::new(BINARY), more, stderr)
    }

    /// With at most so many file descriptors, or as many as there can be.
    pub fn limited(descriptors: Option<u32>, more: &[&str]) -> (Self, Addrs) {
        let limit = descriptors.map_or_else(|| "$(ulimit -Hn)".to_owned(), |most| most.to_string());
        let mut shell = Command::new("sh");
        shell.arg("-c");
        shell.arg(format!("ulimit -Sn {limit}; exec \"$@\""));
        shell.args(["sh", BINARY]);
        Self::spawn(shell, more, Stdio::null())
    }

    fn spawn(command: Command, more: &[&str], stderr: Stdio) -> (Self, Addrs) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("alarms.log");
        let any = "127.0.0.1:0";
        let mut command = clean(command, &["serve", "--echo", any, "--check", any]);
        command
            .args(["--notify", any, "--admin", any, "--policies", "2000"])
            .arg("--alarm-log")
            .arg(log)
            .args(more);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let addrs = std::iter::repeat_with(|| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let words: Vec<_> = line.split_whitespace().collect();
            let ["listening", service, addr] = words[..] else {
                panic!("{line:?}")
            };
            (service.to_owned(), addr.parse().unwrap())
        });
        let addrs = addrs.take(4).collect();
        let served = Self {
            child,
            stdout,
            _folder: folder,
        };
        (served, addrs)
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The exit status, and what it still had to say.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    http(addr, "GET", path, "")
}

pub fn http(addr: SocketAddr, method: &str, path: &str, json: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = json.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// How many requests the services for others have accepted, on `/metrics`.
pub const ACCEPTED: &str = "rpc_demo_requests_accepted_total{server=\"front\"}";

/// The value of a figure on `/metrics`.
pub fn figure(admin: SocketAddr, name: &str) -> u64 {
    let (_, metrics) = get(admin, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    value.trim().parse().unwrap()
}
