//! The graceful exit: nothing that was accepted is lost.

mod rpc_peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rpc_demo::server::{Context, Drained, Server};
use rpc_peer::{
    ECHO, LONG, Peer, WAIT, echo, gated, head, pooled, request, requests, start, stop, until,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

#[tokio::test]
async fn calls_under_way_end_and_their_replies_are_written() {
    for service in [echo().inline(), pooled()] {
        let (service, gate, mut starts) = gated(service);
        let (server, addr) = start(service).await;
        let mut peers = Vec::new();
        let mut sent = 0;
        for _ in 0..4 {
            let mut peer = Peer::connect(addr).await;
            // More than there are workers: some wait in the queue.
            let calls = requests(1..=5, WAIT, b"mine");
            peer.send(&calls).await;
            sent += calls.len() as u64;
            peers.push(peer);
        }
        until(|| server.stats().bytes_in == sent).await;
        for _ in 0..4 {
            starts.recv().await.unwrap();
        }
        let stopping = stop(server, addr, LONG).await;
        gate.add_permits(20);
        for mut peer in peers {
            let mut answered = Vec::new();
            for _ in 1..=5 {
                let reply = peer.reply().await;
                assert_eq!(reply.body, b"mine");
                answered.push(reply.id);
            }
            answered.sort_unstable();
            assert_eq!(answered, [1, 2, 3, 4, 5]);
            peer.closed().await;
        }
        let drained = stopping.await.unwrap();
        assert_eq!(
            drained,
            Drained {
                accepted: 20,
                replied: 20,
                abandoned: 0,
                lost: 0,
                failed_hooks: 0
            }
        );
    }
}

#[tokio::test]
async fn a_connection_that_comes_after_the_close_is_refused() {
    let (server, addr) = start(echo()).await;
    let mut peer = Peer::connect(addr).await;
    assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
    let handle = server.stats_handle();
    let drained = server.shutdown(LONG).await;
    assert_eq!((drained.accepted, drained.replied, drained.lost), (1, 1, 0));
    peer.closed().await;
    let refused = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(
        (handle.stats().accepted, handle.stats().connections),
        (1, 0)
    );
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_shutdown() {
    let (server, addr) = start(pooled()).await;
    let peers = [Peer::connect(addr).await, Peer::connect(addr).await];
    until(|| server.stats().connections == 2).await;
    // Without an end of its own it would outlast the test.
    let stopping = tokio::spawn(server.shutdown(Duration::from_secs(100_000)));
    for peer in peers {
        peer.closed().await;
    }
    assert_eq!(stopping.await.unwrap().lost, 0);
}

#[tokio::test]
async fn handlers_are_told_when_the_time_is_over_and_may_still_answer() {
    let until_told = |context: Context, body| async move {
        assert!(!context.is_cancelled());
        context.cancelled().await;
        assert!(context.is_cancelled());
        Ok(body)
    };
    for service in [echo().inline(), pooled()] {
        let (server, addr) = start(service.timeout(LONG).raw("Told", until_told)).await;
        let mut peer = Peer::connect(addr).await;
        peer.send(&request(&head(1, "/rpcdemo.Echo/Told", 4), b"saved"))
            .await;
        until(|| server.stats().accepted == 1).await;
        let drained = server.shutdown(Duration::from_millis(10)).await;
        assert_eq!(
            drained,
            Drained {
                accepted: 1,
                replied: 1,
                abandoned: 0,
                lost: 0,
                failed_hooks: 0
            }
        );
        assert_eq!(peer.reply().await.body, b"saved");
    }
}

#[tokio::test]
async fn what_never_ends_is_lost_and_its_caller_is_told() {
    for service in [echo().inline(), pooled()] {
        let service = service
            .timeout(LONG)
            .raw("Never", |_, _| std::future::pending());
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
        peer.send(&request(&head(2, "/rpcdemo.Echo/Never", 4), b""))
            .await;
        until(|| server.stats().accepted == 2).await;
        let handle = server.stats_handle();
        let drained = server.shutdown(Duration::from_millis(10)).await;
        assert_eq!(
            drained,
            Drained {
                accepted: 2,
                replied: 1,
                abandoned: 0,
                lost: 1,
                failed_hooks: 0
            }
        );
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (2, 31));
        peer.closed().await;
        assert_eq!(handle.stats().lost, 1);
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_in_one_line_with_its_address() {
    let (_server, addr) = start(echo()).await;
    let mut other = Server::new(rpc_demo::server::ServerOptions::default());
    let error = other.serve(echo(), addr).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("Echo: cannot listen at {addr}: ")),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
}

/// Keeps the runtime awake while it lives. The thread that a handler blocks
/// may be the one that was to look for events, and the others sleep on.
fn keep_awake() -> impl Drop {
    struct Awake(Arc<AtomicBool>);
    impl Drop for Awake {
        fn drop(&mut self) {
            self.0.store(false, Relaxed);
        }
    }
    let on = Arc::new(AtomicBool::new(true));
    let (awake, runtime) = (Arc::clone(&on), tokio::runtime::Handle::current());
    std::thread::spawn(move || {
        while awake.load(Relaxed) {
            runtime.spawn(std::future::ready(()));
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    Awake(on)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_the_shutdown() {
    let _awake = keep_awake();
    for service in [echo().inline(), pooled()] {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let blocked = Arc::new(parking_lot::Mutex::new(blocked));
        let (started, mut starts) = mpsc::unbounded_channel();
        let service = service.timeout(LONG).raw("Block", move |_, body| {
            let (blocked, started) = (Arc::clone(&blocked), started.clone());
            async move {
                started.send(()).unwrap();
                // It knows of no deadline, and gives its thread to nobody.
                let _ = blocked.lock().recv();
                Ok(body)
            }
        });
        let (server, addr) = start(service).await;
        let mut stuck = Peer::connect(addr).await;
        stuck
            .send(&request(&head(1, "/rpcdemo.Echo/Block", 4), b""))
            .await;
        starts.recv().await.unwrap();
        // The others go on.
        let mut other = Peer::connect(addr).await;
        assert_eq!(other.call(&head(2, ECHO, 4), b"on").await.body, b"on");
        drop(other);
        // It would never end if it waited for that one.
        let drained = server.shutdown(Duration::from_millis(10)).await;
        assert_eq!((drained.accepted, drained.lost), (2, 1), "{drained:?}");
        drop(release);
    }
}
