//! Addresses at which nobody listens until a test does.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// An address of this machine that nobody else is given while this process lives, whoever
/// listens there or has ceased to: no other test's server, and no connection's other end.
pub fn address() -> SocketAddr {
    let held = TcpSocket::new_v4().unwrap();
    // As those that listen do: then both may be bound to one port.
    held.set_reuseaddr(true).unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let addr = held.local_addr().unwrap();
    if cfg!(target_os = "linux") {
        std::mem::forget(held);
    }
    addr
}
