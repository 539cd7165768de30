//! Peers of whom one half is gone: they have closed their side, are cut off in a frame, or
//! have vanished without a word.

mod rpc_peer;

use std::time::Duration;

use rpc_demo::server::ServerOptions;
use rpc_peer::{
    ECHO, Peer, WAIT, both, echo, gated, head, pool, request, start, start_with, until,
};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_frame_that_is_cut_at_any_byte_is_no_request_and_hurts_nobody() {
    for service in both(echo, pool(2, 10)) {
        let (server, addr) = start(service).await;
        let whole = request(&head(1, ECHO, 4), b"cut");
        for cut in 0..whole.len() {
            // By the end of the stream, and by a reset.
            let mut peer = Peer::connect(addr).await;
            peer.send(&whole[..cut]).await;
            peer.0.shutdown().await.unwrap();
            peer.closed().await;
            let mut peer = Peer::connect(addr).await;
            peer.send(&whole[..cut]).await;
            peer.0.set_zero_linger().unwrap();
            drop(peer);
        }
        let mut other = Peer::connect(addr).await;
        assert_eq!(other.call(&head(2, ECHO, 4), b"on").await.body, b"on");
        until(|| server.stats().connections == 1).await;
        let stats = server.stats();
        assert_eq!(stats.accepted, 1);
        // One that ends before its first byte is none that is cut.
        let (cut, ended) = (stats.services[0].broken["cut"], whole.len() as u64 - 1);
        assert_eq!(cut, ended, "{:?}", stats.services[0].broken);
    }
}

#[tokio::test]
async fn a_peer_that_has_closed_its_side_still_gets_its_replies() {
    for service in both(echo, pool(1, 10)) {
        let (service, gate, _) = gated(service);
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for id in 1..=3 {
            peer.send(&request(&head(id, WAIT, 4), b"late")).await;
        }
        peer.0.shutdown().await.unwrap();
        // When this one, which came after, has been closed, that has been seen.
        let mut other = Peer::connect(addr).await;
        other.send(b"GET / HTTP/1.1\r\n\r\n").await;
        other.closed().await;
        gate.add_permits(3);
        for id in 1..=3 {
            assert_eq!(peer.reply().await.id, id);
        }
        peer.closed().await;
    }
}

/// Of the sockets bound to this port and connected, whether the kernel probes
/// them (the timer of /proc/net/tcp is 02).
fn probed(port: u16) -> Vec<bool> {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("this is Linux");
    let ours = format!(":{port:04X}");
    let sockets = table.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (
            fields[1].ends_with(&ours) && fields[3] == "01",
            fields[5].starts_with("02"),
        )
    });
    sockets
        .filter_map(|(ours, probed)| ours.then_some(probed))
        .collect()
}

#[tokio::test]
async fn a_peer_that_vanished_without_a_word_is_probed_by_the_kernel() {
    for keep_alive in [None, Some(Duration::from_secs(30))] {
        let options = ServerOptions {
            keep_alive,
            ..ServerOptions::default()
        };
        let (_server, addr) = start_with(echo(), options).await;
        let mut peer = Peer::connect(addr).await;
        assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
        // The acknowledgement of the reply may have a timer of its own.
        until(|| probed(addr.port()) == [keep_alive.is_some()]).await;
    }
}

#[tokio::test]
async fn a_peer_that_goes_in_the_middle_of_a_frame_hurts_nobody() {
    let (server, addr) = start(echo()).await;
    let mut peer = Peer::connect(addr).await;
    assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
    let whole = request(&head(2, ECHO, 4), b"never all of it");
    peer.send(&whole[..whole.len() - 1]).await;
    peer.0.shutdown().await.unwrap();
    peer.closed().await;
    let mut other = Peer::connect(addr).await;
    assert_eq!(other.call(&head(3, ECHO, 4), b"on").await.body, b"on");
    assert_eq!(server.stats().accepted, 2);
}

#[tokio::test]
async fn a_peer_that_does_not_close_its_side_after_the_server_has_is_not_waited_for() {
    let (server, addr) = start(echo()).await;
    let mut peer = Peer::connect(addr).await;
    assert_eq!(peer.call(&head(1, ECHO, 4), b"hello").await.body, b"hello");
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(peer.next().await.is_none(), "the server has closed");
    // It could still send, and be read, for as long as it likes.
    until(|| server.stats().connections == 0).await;
    drop(peer);
    let mut other = Peer::connect(addr).await;
    assert_eq!(other.call(&head(2, ECHO, 4), b"on").await.body, b"on");
}

#[tokio::test]
async fn a_peer_that_closes_its_side_and_reads_nothing_is_closed() {
    const REPLY: usize = 8 << 20;
    for service in both(echo, pool(1, 10)) {
        let service = service.raw("Big", |_, _| async { Ok(vec![0; REPLY].into()) });
        let options = ServerOptions {
            idle: Duration::from_millis(50),
            ..ServerOptions::default()
        };
        let (server, addr) = start_with(service, options).await;
        let mut peer = Peer::connect(addr).await;
        peer.send(&request(&head(1, "/rpcdemo.Echo/Big", 4), b""))
            .await;
        peer.0.shutdown().await.unwrap();
        // More than the kernel takes.
        until(|| server.stats().abandoned > 0).await;
        assert_eq!(server.stats().services[0].broken, [("stalled", 1)].into());
        drop(peer);
    }
}
