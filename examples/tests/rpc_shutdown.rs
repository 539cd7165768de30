//! The graceful exit: nothing that was accepted is lost.

mod rpc_peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{Balanced, BalancedOptions, CallOptions};
use rpc_demo::server::{Context, Drained, PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::{CallType, ContentType};
use rpc_peer::{ECHO, Peer, echo, gated, head, request, start, start_with};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(60);
const WAIT: &str = "/rpcdemo.Echo/Wait";

fn pooled() -> Service {
    echo().pooled(PoolOptions {
        capacity: 4,
        queue: 1000,
    })
}

/// Begins the shutdown, and returns once the port is closed.
async fn stop(server: Server, addr: SocketAddr, limit: Duration) -> JoinHandle<Drained> {
    let stopping = tokio::spawn(server.shutdown(limit));
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stopping
}

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
            let calls: Vec<u8> = (1..=5)
                .flat_map(|id| request(&head(id, WAIT, 4), b"mine"))
                .collect();
            peer.send(&calls).await;
            sent += calls.len() as u64;
            peers.push(peer);
        }
        while server.stats().bytes_in < sent {
            tokio::task::yield_now().await;
        }
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
async fn who_calls_late_is_told_at_once_though_others_are_under_way() {
    // With one place the connection has no room for another, with more it has.
    for max_in_flight in [1, 1000] {
        let (service, gate, mut starts) = gated(pooled());
        let options = ServerOptions {
            max_in_flight,
            ..ServerOptions::default()
        };
        let (server, addr) = start_with(service, options).await;
        let mut peer = Peer::connect(addr).await;
        peer.send(&request(&head(1, WAIT, 4), b"early")).await;
        starts.recv().await.unwrap();
        let stopping = stop(server, addr, LONG).await;
        for id in 2..=9 {
            // It is read as it comes, not all at once.
            let late = peer.call(&head(id, ECHO, 4), b"late").await;
            assert_eq!((late.id, late.head.ret), (id, 22), "{late:?}");
            assert!(late.head.trans_info.contains_key("stopping"), "{late:?}");
        }
        gate.add_permits(1);
        assert_eq!(peer.reply().await.body, b"early");
        peer.closed().await;
        let drained = stopping.await.unwrap();
        let ends = (drained.accepted, drained.replied, drained.lost);
        assert_eq!(ends, (9, 9, 0));
    }
}

#[tokio::test]
async fn who_is_told_late_that_a_server_stops_is_answered_by_another() {
    let (service, gate, mut starts) = gated(pooled());
    let (first, addr) = start(service).await;
    let at_once = pooled().raw("Wait", |_, body| async move { Ok(body) });
    let (_second, elsewhere) = start(at_once).await;
    let mut options = BalancedOptions::default();
    // What comes late goes over the connection on which others are under way.
    options.client.connections = 1;
    let client = Balanced::new(vec![addr, elsewhere], options).await;
    let call = |method| {
        let client = client.clone();
        tokio::spawn(async move {
            let options = CallOptions {
                timeout: LONG,
                ..CallOptions::default()
            };
            let body = Bytes::from_static(b"hello");
            let answer = client.call_raw(method, ContentType::RAW, body, &options);
            answer.await.unwrap().body
        })
    };
    // Which server is asked is drawn, until it is the first.
    let early = loop {
        let mut early = call(WAIT);
        tokio::select! {
            _ = starts.recv() => break early,
            answer = &mut early => assert_eq!(answer.unwrap(), "hello"),
        }
    };
    let stopping = stop(first, addr, LONG).await;
    while client.figures().retries.is_empty() {
        assert_eq!(call(ECHO).await.unwrap(), "hello");
    }
    assert_eq!(client.figures().errors, [(22, 1)].into());
    assert_eq!(client.figures().retries, [(addr, 1)].into());
    gate.add_permits(1);
    assert_eq!(early.await.unwrap(), "hello");
    assert_eq!(stopping.await.unwrap().lost, 0);
}

#[tokio::test]
async fn a_peer_that_never_pauses_does_not_hold_up_the_shutdown() {
    for service in [echo().inline(), pooled()] {
        let (server, addr) = start(service).await;
        // Answers would have to be read.
        let mut one_way = head(1, ECHO, 4);
        one_way.call_type = CallType::OneWay as i32;
        let calls = request(&one_way, b"without a pause").repeat(10_000);
        let mut peer = std::net::TcpStream::connect(addr).unwrap();
        let peer =
            std::thread::spawn(
                move || {
                    while std::io::Write::write_all(&mut peer, &calls).is_ok() {}
                },
            );
        while server.stats().accepted == 0 {
            tokio::task::yield_now().await;
        }
        // Without an end of its own it would outlast the test.
        let drained = server.shutdown(Duration::from_secs(100_000)).await;
        assert_eq!((drained.accepted, drained.lost), (drained.replied, 0));
        peer.join().unwrap();
    }
}

#[tokio::test]
async fn who_waits_to_be_accepted_is_answered_all_the_same() {
    for service in [echo().inline(), pooled()] {
        let (server, addr) = start(service).await;
        // The server does nothing meanwhile: there is but this thread.
        let peers: Vec<_> = (0..500)
            .map(|id| {
                let limit = Duration::from_secs(5);
                let mut peer = std::net::TcpStream::connect_timeout(&addr, limit).unwrap();
                std::io::Write::write_all(&mut peer, &request(&head(id, ECHO, 4), b"x")).unwrap();
                peer
            })
            .collect();
        let stopping = tokio::spawn(server.shutdown(LONG));
        for (id, peer) in (0..).zip(peers) {
            peer.set_nonblocking(true).unwrap();
            let mut peer = Peer(TcpStream::from_std(peer).unwrap());
            let reply = peer.reply().await;
            assert_eq!((reply.id, reply.head.ret), (id, 0), "{reply:?}");
            drop(peer);
        }
        let drained = stopping.await.unwrap();
        assert_eq!((drained.accepted, drained.replied), (500, 500));
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_shutdown() {
    let (server, addr) = start(pooled()).await;
    let peers = [Peer::connect(addr).await, Peer::connect(addr).await];
    while server.stats().connections < 2 {
        tokio::task::yield_now().await;
    }
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
        while server.stats().accepted == 0 {
            tokio::task::yield_now().await;
        }
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
        while server.stats().accepted < 2 {
            tokio::task::yield_now().await;
        }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_full_speed_every_call_is_answered_or_refused_and_none_is_cut() {
    for service in [echo().inline(), pooled()] {
        // However long a peer stands still meanwhile.
        let options = ServerOptions {
            farewell: LONG,
            ..ServerOptions::default()
        };
        let (server, addr) = start_with(service, options).await;
        let (under_way, mut speed) = mpsc::unbounded_channel();
        let peers: Vec<_> = (0..16)
            .map(|_| tokio::spawn(rpc_peer::until_told(addr, under_way.clone())))
            .collect();
        for _ in 0..16 {
            speed.recv().await.unwrap();
        }
        let drained = server.shutdown(LONG).await;
        let mut ended = 0;
        for peer in peers {
            let (answered, refused) = peer.await.unwrap();
            ended += u64::from(answered + refused);
        }
        assert_eq!((drained.accepted, drained.replied), (ended, ended));
        assert_eq!((drained.abandoned, drained.lost), (0, 0));
    }
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

#[tokio::test]
async fn hooks_run_in_their_order_when_no_handler_does_and_nothing_in_a_channel_is_lost() {
    let (produce, mut channel) = mpsc::unbounded_channel::<u32>();
    let (service, gate, mut starts) = gated(pooled());
    let handlers = Arc::new(AtomicU32::new(0));
    let (running, sender) = (Arc::clone(&handlers), produce.clone());
    let service = service.raw("Produce", move |_, body: Bytes| {
        running.fetch_add(1, Relaxed);
        let (running, sender) = (Arc::clone(&running), sender.clone());
        async move {
            tokio::task::yield_now().await;
            sender.send(body.len() as u32).unwrap();
            running.fetch_sub(1, Relaxed);
            Ok(body)
        }
    });
    let (mut server, addr) = start(service).await;
    let (last, order) = mpsc::unbounded_channel();
    let told = last.clone();
    server.on_shutdown("production has stopped", LONG, move || async move {
        assert_eq!(handlers.load(Relaxed), 0);
        drop(produce);
        told.send("stopped").map_err(|_| "nobody listens")
    });
    let (told, consumed) = (last, Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&consumed);
    server.on_shutdown("the consumer has ended", LONG, move || async move {
        // It begins late: all of it is in the channel.
        while let Ok(length) = channel.try_recv() {
            count.fetch_add(length, Relaxed);
        }
        told.send("consumed").map_err(|_| "nobody listens")
    });
    let mut peer = Peer::connect(addr).await;
    peer.send(&request(&head(1, WAIT, 4), b"")).await;
    starts.recv().await.unwrap();
    let calls = (2..=9).flat_map(|id| request(&head(id, "/rpcdemo.Echo/Produce", 4), b"four"));
    peer.send(&calls.collect::<Vec<u8>>()).await;
    for _ in 2..=9 {
        peer.reply().await;
    }
    let stopping = stop(server, addr, LONG).await;
    // Not before the last handler has ended.
    assert!(order.is_empty());
    gate.add_permits(1);
    let drained = stopping.await.unwrap();
    assert_eq!((drained.lost, drained.failed_hooks), (0, 0));
    assert_eq!(consumed.load(Relaxed), 8 * 4);
    assert_eq!(all(order), ["stopped", "consumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_panics_or_overruns_is_counted_and_the_others_run() {
    let mut server = Server::new(rpc_demo::server::ServerOptions::default());
    let (ran, order) = mpsc::unbounded_channel();
    let hook = |name: &'static str, result: Result<(), &'static str>| {
        let ran = ran.clone();
        move || async move {
            ran.send(name).unwrap();
            result
        }
    };
    server.on_shutdown("fails", LONG, hook("fails", Err("no")));
    server.on_shutdown("panics", LONG, || async {
        panic!("no") as Result<(), String>
    });
    let overruns = hook("overruns", Ok(()));
    server.on_shutdown("overruns", Duration::from_secs(1), || async {
        overruns().await?;
        std::future::pending::<Result<(), &str>>().await
    });
    server.on_shutdown(
        "uses the time up",
        LONG * 2,
        std::future::pending::<Result<(), String>>,
    );
    // There is a moment for it all the same.
    server.on_shutdown("ends well", LONG, hook("ends well", Ok(())));
    assert_eq!(server.shutdown(LONG).await.failed_hooks, 4);
    drop(ran);
    assert_eq!(all(order), ["fails", "overruns", "ends well"]);
}

fn all<T>(mut channel: mpsc::UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| channel.try_recv().ok()).collect()
}
