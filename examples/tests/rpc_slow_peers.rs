//! Peers that are slow or do nothing: what they may cost, and for how long.

mod rpc_peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{Balanced, BalancedOptions, CallOptions};
use rpc_demo::server::{Server, ServerOptions, Service};
use rpc_demo::wire::{Code, ContentType};
use rpc_peer::{Peer, both, echo, fixed, head, pool, requests, start_with, until};
use tokio::io::AsyncWriteExt;

async fn start_impatient(service: Service) -> (Server, std::net::SocketAddr) {
    let idle = Duration::from_millis(100);
    start_with(
        service,
        ServerOptions {
            idle,
            ..ServerOptions::default()
        },
    )
    .await
}

#[tokio::test]
async fn a_slow_loris_and_an_idle_peer_are_closed() {
    let (server, addr) = start_impatient(echo()).await;
    let mut peer = Peer::connect(addr).await;
    peer.send(&[0x09]).await;
    peer.closed().await;
    Peer::connect(addr).await.closed().await;
    until(|| server.stats().connections == 0).await;
    assert_eq!(server.stats().services[0].broken, [("idle", 2)].into());
}

#[tokio::test]
async fn bytes_that_make_no_frame_do_not_keep_a_connection_open() {
    let (_server, addr) = start_impatient(echo()).await;
    let mut peer = Peer::connect(addr).await;
    peer.send(&fixed(1, 10 << 20, 10)).await;
    let (mut read, mut write) = peer.0.into_split();
    let drip = tokio::spawn(async move {
        // For ever, if the server lets it.
        while write.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut nothing = Vec::new();
    // Closed with bytes unread: the end, or a reset.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut nothing).await;
    drip.await.unwrap();
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_call_that_takes_longer_than_the_idle_time_is_answered() {
    let slow = |_, body| async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Ok(body)
    };
    for service in both(|| echo().raw("Slow", slow), pool(1, 1)) {
        let (_server, addr) = start_impatient(service).await;
        let mut peer = Peer::connect(addr).await;
        let reply = peer.call(&head(1, "/rpcdemo.Echo/Slow", 4), b"late").await;
        assert_eq!(reply.body, b"late");
        peer.closed().await;
    }
}

#[tokio::test]
async fn a_peer_that_takes_no_replies_costs_so_much_memory_and_is_closed() {
    const REPLY: usize = 1 << 20;
    let big = |_, _| async { Ok(vec![0; REPLY].into()) };
    let services = both(|| echo().raw("Big", big), pool(1, 1000));
    for (service, pooled) in services.into_iter().zip([false, true]) {
        // All that is pooled is to be run before the connection is closed, by the peer.
        let millis = if pooled { 60_000 } else { 200 };
        let options = ServerOptions {
            idle: Duration::from_millis(millis),
            max_unwritten: 1 << 20,
            max_in_flight_bytes: 4 << 20,
            ..ServerOptions::default()
        };
        let (server, addr) = start_with(service, options).await;
        let mut peer = Peer::connect(addr).await;
        let all = requests(1..=500, "/rpcdemo.Echo/Big", b"");
        peer.send(&all).await;
        let mut most = 0;
        let looked = || {
            let stats = server.stats();
            let refused = stats.errors.get(&31).copied().unwrap_or(0);
            let made = (stats.replied + stats.in_flight).saturating_sub(refused) * REPLY as u64;
            // What is in flight has not been made yet, or is in the outbox.
            let held = if pooled {
                0
            } else {
                made.saturating_sub(stats.bytes_out)
            };
            most = most.max(held);
            let closed = stats.connections == 0 && stats.accepted > 0;
            let all_run = refused > 0 && stats.services[0].latency.count == stats.accepted;
            closed || pooled && all_run
        };
        until(looked).await;
        drop(peer);
        until(|| server.stats().connections == 0).await;
        assert!(most <= 3 * REPLY as u64, "{most} bytes held");
        let stats = server.stats();
        assert!(stats.abandoned > 0, "{stats:?}");
        assert_eq!(stats.accepted, stats.replied + stats.abandoned);
        if pooled {
            // All were under way at once: what was too much was refused.
            let refused = stats.errors.get(&31).copied().unwrap_or(0);
            let taken = stats.accepted - refused;
            assert!(taken < 100, "{taken} replies of a MiB were made to be kept");
        } else {
            assert!(stats.accepted < 500, "{stats:?}");
        }
    }
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_all_its_replies() {
    const REPLY: usize = 256 << 10;
    let big = |_, _| async { Ok(vec![7; REPLY].into()) };
    for service in both(|| echo().raw("Big", big), pool(2, 1000)) {
        let options = ServerOptions {
            max_in_flight_bytes: 64 << 20,
            // What was forgotten would never be found by chance.
            idle: Duration::from_secs(100_000),
            ..ServerOptions::default()
        };
        let (_server, addr) = start_with(service, options).await;
        let mut peer = Peer::connect(addr).await;
        let all = requests(1..=100, "/rpcdemo.Echo/Big", b"");
        peer.send(&all).await;
        for _ in 1..=100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let reply = peer.reply().await;
            assert_eq!((reply.head.ret, reply.body.len()), (0, REPLY));
        }
    }
}

#[tokio::test]
async fn a_call_whose_reply_is_not_kept_is_not_made_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let count = || {
        let runs = Arc::clone(&runs);
        echo().raw("Count", move |_, body| {
            runs.fetch_add(1, Relaxed);
            async { Ok(body) }
        })
    };
    for service in both(count, pool(1, 1)) {
        let options = ServerOptions {
            max_unwritten: 1,
            max_in_flight_bytes: 1,
            ..ServerOptions::default()
        };
        let (_server, addr) = start_with(service, options).await;
        let client = Balanced::new(vec![addr], BalancedOptions::default()).await;
        let method = "/rpcdemo.Echo/Count";
        let (body, options) = (Bytes::from_static(b"long"), CallOptions::default());
        let call = client.call_raw(method, ContentType::RAW, body, &options);
        assert_eq!(call.await.unwrap_err().code(), Code::SERVER_SYSTEM);
        assert_eq!(runs.swap(0, Relaxed), 1);
    }
}
