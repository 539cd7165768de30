//! Calls that come while the server stops: each is answered, or told to go elsewhere.

mod rpc_peer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{Balanced, BalancedOptions, CallOptions};
use rpc_demo::server::{Server, ServerOptions, Service};
use rpc_demo::wire::{CallType, ContentType};
use rpc_peer::{
    ECHO, LONG, Peer, WAIT, echo, gated, head, pooled, request, start, start_with, stop, until,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

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
        until(|| server.stats().accepted > 0).await;
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

/// Its requests lie in the kernel, so that each read finds some more.
#[tokio::test]
async fn of_what_lies_ready_so_many_reads_are_taken_and_no_more() {
    const READ: usize = 32 << 10;
    const LAST_READS: usize = 16;
    let (service, gate, mut starts) = gated(echo().inline());
    let counted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&counted);
    let service = service.raw("Count", move |_, body| {
        count.fetch_add(1, Relaxed);
        async { Ok(body) }
    });
    let (server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    let mut one_way = head(1, "/rpcdemo.Echo/Count", 4);
    one_way.call_type = CallType::OneWay as i32;
    // The kernel takes in the more, the more has been read.
    for _ in 0..40 {
        peer.send(&request(&one_way, &vec![0; 1 << 20])).await;
    }
    peer.send(&request(&head(2, WAIT, 4), b"")).await;
    starts.recv().await.unwrap();
    assert_eq!(counted.swap(0, Relaxed), 40);
    // While that one waits, in line, nothing is read.
    let call = request(&one_way, b"at once");
    let calls = 2 * LAST_READS * READ / call.len();
    let before = server.stats().bytes_in;
    peer.send(&call.repeat(calls)).await;
    assert_eq!(server.stats().bytes_in, before);

    let stopping = stop(server, addr, LONG).await;
    gate.add_permits(1);
    assert_eq!(peer.reply().await.id, 2);
    assert_eq!(stopping.await.unwrap().lost, 0);
    // As many as are whole in a read, and one that was begun in the one before.
    let (least, most) = (READ / call.len(), LAST_READS * (READ / call.len() + 1));
    let counted = counted.load(Relaxed);
    assert!((least..=most).contains(&counted), "{counted} of {calls}");
}

/// A server that says farewell for no time at all, and a peer of which it has half a request.
async fn half_sent(service: Service) -> (Server, SocketAddr, Peer, Vec<u8>) {
    let options = ServerOptions {
        farewell: Duration::ZERO,
        idle: Duration::from_secs(100_000),
        ..ServerOptions::default()
    };
    let (server, addr) = start_with(service, options).await;
    let mut peer = Peer::connect(addr).await;
    let mut half = request(&head(7, ECHO, 4), b"in two parts");
    let rest = half.split_off(20);
    peer.send(&half).await;
    until(|| server.stats().bytes_in == 20).await;
    (server, addr, peer, rest)
}

#[tokio::test]
async fn who_has_sent_half_a_request_is_told_when_the_rest_has_come() {
    for service in [echo().inline(), pooled()] {
        let (server, addr, mut peer, rest) = half_sent(service).await;
        let other = Peer::connect(addr).await;
        let stopping = stop(server, addr, LONG).await;
        // One of which there is nothing is closed meanwhile.
        other.closed().await;
        peer.send(&rest).await;
        let late = peer.reply().await;
        assert_eq!((late.id, late.head.ret), (7, 22), "{late:?}");
        // What it had begun after that would not be waited for.
        peer.closed().await;
        let drained = stopping.await.unwrap();
        assert_eq!((drained.accepted, drained.replied, drained.lost), (1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_sends_the_rest_leaves_the_hooks_half_of_the_time() {
    let (mut server, _, peer, _) = half_sent(pooled()).await;
    server.on_shutdown("takes long", LONG, async || {
        tokio::time::sleep(LONG / 3).await;
        Ok::<_, Infallible>(())
    });
    assert_eq!(server.shutdown(LONG).await.failed_hooks, 0);
    peer.closed().await;
}
