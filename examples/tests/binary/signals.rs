//! How it ends.

use std::io::Write;
use std::net::TcpStream;

use crate::calls;
use crate::rpc_peer::{self, until_blocking};
use crate::served::{Served, figure, get};

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
