//! The binary as people use it: real processes, real signals, real ports.

#[path = "../rpc_peer/mod.rs"]
mod rpc_peer;
#[path = "../served/mod.rs"]
mod served;

mod admin;
mod config;
mod job;
mod log;
mod output;
mod page;
mod readme;
mod signals;
mod trace_poll;
mod webhook;

use std::net::SocketAddr;

/// Sends so many requests at once, and reads as many replies.
fn calls(addr: SocketAddr, method: &str, count: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let mut peer = rpc_peer::Peer::connect(addr).await;
        peer.send(&rpc_peer::requests(1..=count, method, b"")).await;
        for _ in 0..count {
            peer.reply().await;
        }
    });
}
