//! How it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::calls;
use crate::rpc_peer::{self, address, until_blocking};
use crate::served::{Served, figure, get, rpc_demo, signal};

#[test]
fn a_second_signal_ends_it_at_once() {
    let (served, addrs) = Served::start(&["--grace", "10m"]);
    // A reply that is not read keeps the server from being done.
    let mut stuck = TcpStream::connect(addrs["Echo"]).unwrap();
    let head = rpc_peer::head(1, rpc_peer::ECHO, rpc_peer::RAW);
    let request = rpc_peer::request(&head, &vec![7; 8 << 20]);
    stuck.write_all(&request).unwrap();
    let in_flight = "rpc_demo_requests_in_flight{server=\"front\"}";
    until_blocking(|| figure(addrs["admin"], in_flight) > 0);
    served.signal("TERM");
    until_blocking(|| get(addrs["admin"], "/readyz").0 != 200);
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(143));
}

#[test]
fn a_lame_duck_takes_in_calls_after_it_has_said_that_it_is_not_ready() {
    let (served, addrs) = Served::start(&["--lame-duck", "10m", "--grace", "20m"]);
    served.signal("TERM");
    until_blocking(|| get(addrs["admin"], "/readyz").0 != 200);
    calls(addrs["Echo"], rpc_peer::ECHO, 3);
    // Nobody waits for the end of that.
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(143));
}

#[test]
fn a_signal_while_it_loads_ends_it_before_it_has_started() {
    let (any, admin) = ("127.0.0.1:0", address());
    // It would take longer than anybody waits here.
    let slow = ["--policies", "7000000"];
    let folder = tempfile::tempdir().unwrap();
    for command in [Some("serve"), None] {
        let mut job = rpc_demo(&slow);
        job.args(command).args(["--echo", any, "--check", any]);
        job.args(["--notify", any, "--admin", &admin.to_string()]);
        job.arg("--alarm-log").arg(folder.path().join("alarms.log"));
        let mut job = job
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The admin port is there before the policies are.
        until_blocking(|| TcpStream::connect(admin).is_ok());
        signal(job.id(), "TERM");
        let mut said = String::new();
        job.stdout
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(job.wait().unwrap().code(), Some(0), "{said}");
        assert!(
            !said.contains("listening") && !said.contains("alarms raised"),
            "{said}"
        );
    }
}
