//! Peers that do not keep to the wire: each gets the right code or a closed
//! connection, and the server goes on.

mod rpc_peer;

use std::time::Duration;

use rpc_demo::server::{Failure, PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::compress::compress;
use rpc_demo::wire::{Encoding, RequestProtocol};
use rpc_peer::{ECHO, Peer, Text, echo, fixed, frame, head, request, start, start_with};
use tokio::io::AsyncWriteExt;

/// Sends what is wrong after a request that is right: that one is answered,
/// the connection is closed, and the server goes on.
async fn is_closed_after(wrong: &[u8], reason: &str) {
    for service in [
        echo().inline(),
        echo().pooled(PoolOptions {
            capacity: 2,
            queue: 10,
        }),
    ] {
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        let mut bytes = request(&head(1, ECHO, 4), b"right");
        bytes.extend(wrong);
        peer.send(&bytes).await;
        assert_eq!(peer.reply().await.body, b"right");
        peer.closed().await;
        let mut other = Peer::connect(addr).await;
        assert_eq!(other.call(&head(2, ECHO, 4), b"on").await.body, b"on");
        assert_eq!(server.stats().services[0].broken, [(reason, 1)].into());
    }
}

#[tokio::test]
async fn a_bad_magic_closes_the_connection() {
    is_closed_after(b"GET / HTTP/1.1\r\n\r\n", "magic").await;
    // Seen with the second byte already.
    is_closed_after(b"GE", "magic").await;
}

#[tokio::test]
async fn a_size_beyond_the_limit_closes_the_connection_before_the_body_comes() {
    is_closed_after(&fixed(1, (10 << 20) + 1, 10), "too_long").await;
    is_closed_after(&fixed(1, u32::MAX, 10), "too_long").await;
}

#[tokio::test]
async fn a_size_below_the_fixed_head_closes_the_connection() {
    for total in [0, 1, 15] {
        is_closed_after(&fixed(1, total, 0), "too_short").await;
    }
}

#[tokio::test]
async fn a_head_longer_than_its_frame_closes_the_connection() {
    is_closed_after(&fixed(1, 26, 11), "head_too_long").await;
    is_closed_after(&fixed(1, 16, u16::MAX), "head_too_long").await;
}

#[tokio::test]
async fn a_stream_frame_closes_the_connection() {
    let mut stream = fixed(1, 16, 0);
    stream[2] = 1;
    is_closed_after(&stream, "not_unary").await;
}

#[tokio::test]
async fn a_frame_of_just_the_limit_is_let_in_and_one_more_byte_is_not() {
    let head = head(1, ECHO, 4);
    let room = 4096 - request(&head, b"").len();
    let options = ServerOptions {
        max_frame: 4096,
        ..ServerOptions::default()
    };
    let (_server, addr) = start_with(echo(), options).await;
    let mut peer = Peer::connect(addr).await;
    assert_eq!(peer.call(&head, &vec![1; room]).await.body.len(), room);
    peer.send(&request(&head, &vec![1; room + 1])).await;
    peer.closed().await;
}

/// One request on a fresh connection is answered with this code, and a right
/// one after it is answered too.
async fn is_answered(service: Service, bytes: &[u8], code: i32) {
    let (server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    peer.send(bytes).await;
    let reply = peer.reply().await;
    assert_eq!((reply.id, reply.head.request_id), (9, 9), "{reply:?}");
    assert_eq!(
        (reply.head.ret, reply.head.func_ret),
        (code, 0),
        "{reply:?}"
    );
    assert!(!reply.head.error_msg.is_empty());
    assert_eq!(peer.call(&head(10, ECHO, 4), b"on").await.body, b"on");
    assert_eq!(server.stats().errors, [(code, 1)].into());
}

#[tokio::test]
async fn an_attachment_larger_than_its_frame_is_code_1() {
    let head = RequestProtocol {
        attachment_size: 5,
        ..head(9, ECHO, 4)
    };
    is_answered(echo(), &request(&head, b"four"), 1).await;
    let head = RequestProtocol {
        attachment_size: u32::MAX,
        ..head
    };
    is_answered(echo(), &request(&head, b""), 1).await;
}

#[tokio::test]
async fn a_head_that_is_no_protobuf_is_code_1() {
    is_answered(echo(), &frame(9, &[0xff; 11], b"body"), 1).await;
}

#[tokio::test]
async fn an_empty_head_is_code_1() {
    is_answered(echo(), &frame(9, b"", b"body"), 1).await;
}

#[tokio::test]
async fn a_body_that_is_not_compressed_as_it_says_is_code_1() {
    for content_encoding in [1, 2, 3, 4, 5, 6, 7, 8, u32::MAX] {
        let head = RequestProtocol {
            content_encoding,
            ..head(9, ECHO, 4)
        };
        is_answered(echo(), &request(&head, b"\xff\xffnothing of it"), 1).await;
    }
}

#[tokio::test]
async fn an_undecodable_body_is_code_1() {
    let service = || echo().method("Text", |_, text: Text| async { Ok::<Text, Failure>(text) });
    for content in [0, 2, 4, 99] {
        let head = head(9, "/rpcdemo.Echo/Text", content);
        is_answered(service(), &request(&head, b"\xff\xff{"), 1).await;
    }
}

#[tokio::test]
async fn an_unknown_service_is_code_11_and_an_unknown_method_code_12() {
    for (method, code) in [
        ("/rpcdemo.Other/Echo", 11),
        ("", 11),
        ("Echo", 11),
        ("/rpcdemo.Echo/Nothing", 12),
        ("/rpcdemo.Echo/", 12),
        // As long as a head can be.
        (&format!("/rpcdemo.Other/{}", "x".repeat(65_500)), 11),
        (&format!("/rpcdemo.Echo/{}", "x".repeat(65_500)), 12),
    ] {
        is_answered(echo(), &request(&head(9, method, 4), b""), code).await;
        let pooled = echo().pooled(PoolOptions {
            capacity: 2,
            queue: 10,
        });
        is_answered(pooled, &request(&head(9, method, 4), b""), code).await;
    }
}

#[tokio::test]
async fn a_reply_that_fits_no_frame_is_code_2() {
    let service = echo().raw("Big", |_, _| async { Ok(vec![0; 5000].into()) });
    let options = ServerOptions {
        max_frame: 4096,
        ..ServerOptions::default()
    };
    let (_server, addr) = start_with(service, options).await;
    let mut peer = Peer::connect(addr).await;
    let reply = peer.call(&head(9, "/rpcdemo.Echo/Big", 4), b"").await;
    assert_eq!((reply.head.ret, reply.head.request_id), (2, 9));
}

#[tokio::test]
async fn a_decompression_bomb_is_code_1_and_costs_no_more_than_a_frame() {
    let max_frame = 1 << 20;
    let options = ServerOptions {
        max_frame,
        ..ServerOptions::default()
    };
    let (_server, addr) = start_with(echo(), options).await;
    let mut peer = Peer::connect(addr).await;
    for encoding in Encoding::ALL {
        if encoding == Encoding::LZ4_BLOCK {
            // Is not made by us when it grows so much.
            continue;
        }
        let bomb = compress(encoding, &vec![0; 16 << 20]).unwrap().unwrap();
        assert!(bomb.len() < max_frame, "{encoding}");
        let head = RequestProtocol {
            content_encoding: encoding.0,
            ..head(1, ECHO, 4)
        };
        let reply = peer.call(&head, &bomb).await;
        let message = String::from_utf8_lossy(&reply.head.error_msg).into_owned();
        assert_eq!(reply.head.ret, 1, "{encoding}: {message}");
        assert!(message.contains("more than 1048576 bytes"), "{message}");
    }
    assert_eq!(peer.call(&head(2, ECHO, 4), b"on").await.body, b"on");
}

#[tokio::test]
async fn a_frame_that_is_cut_at_any_byte_is_no_request_and_hurts_nobody() {
    for service in [
        echo().inline(),
        echo().pooled(PoolOptions {
            capacity: 2,
            queue: 10,
        }),
    ] {
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
        while server.stats().connections > 1 {
            tokio::task::yield_now().await;
        }
        let stats = server.stats();
        assert_eq!(stats.accepted, 1);
        // One that ends before its first byte is none that is cut.
        let (cut, ended) = (stats.services[0].broken["cut"], whole.len() as u64 - 1);
        assert_eq!(cut, ended, "{:?}", stats.services[0].broken);
    }
}

#[tokio::test]
async fn a_peer_that_has_closed_its_side_still_gets_its_replies() {
    for service in [
        echo().inline(),
        echo().pooled(PoolOptions {
            capacity: 1,
            queue: 10,
        }),
    ] {
        let slow = service.raw("Slow", |_, body| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(body)
        });
        let (_server, addr) = start(slow).await;
        let mut peer = Peer::connect(addr).await;
        for id in 1..=3 {
            peer.send(&request(&head(id, "/rpcdemo.Echo/Slow", 4), b"late"))
                .await;
        }
        peer.0.shutdown().await.unwrap();
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
        while probed(addr.port()) != [keep_alive.is_some()] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
async fn a_connection_too_many_is_closed_and_hurts_nobody() {
    let options = ServerOptions {
        max_connections: 2,
        ..ServerOptions::default()
    };
    let (server, addr) = start_with(echo(), options).await;
    let mut peers = [Peer::connect(addr).await, Peer::connect(addr).await];
    for peer in &mut peers {
        assert_eq!(peer.call(&head(1, ECHO, 4), b"on").await.body, b"on");
    }
    Peer::connect(addr).await.closed().await;
    assert_eq!(server.stats().services[0].broken, [("crowded", 1)].into());
    let [first, mut second] = peers;
    drop(first);
    while server.stats().connections > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(second.call(&head(2, ECHO, 4), b"on").await.body, b"on");
    let mut next = Peer::connect(addr).await;
    assert_eq!(next.call(&head(3, ECHO, 4), b"on").await.body, b"on");
}

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
    while server.stats().connections > 0 {
        tokio::task::yield_now().await;
    }
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
    for pooled in [false, true] {
        let mut service = echo().raw("Slow", slow);
        if pooled {
            service = service.pooled(PoolOptions {
                capacity: 1,
                queue: 1,
            });
        }
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
    for pooled in [false, true] {
        let mut service = echo().raw("Big", big);
        if pooled {
            service = service.pooled(PoolOptions {
                capacity: 1,
                queue: 1000,
            });
        }
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
        let all: Vec<u8> = (1..=500)
            .flat_map(|id| request(&head(id, "/rpcdemo.Echo/Big", 4), b""))
            .collect();
        peer.send(&all).await;
        let mut most = 0;
        while server.stats().connections > 0 || server.stats().accepted == 0 {
            let stats = server.stats();
            let refused = stats.errors.get(&22).copied().unwrap_or(0);
            let made = (stats.replied + stats.in_flight).saturating_sub(refused) * REPLY as u64;
            // What is in flight has not been made yet, or is in the outbox.
            let held = if pooled {
                0
            } else {
                made.saturating_sub(stats.bytes_out)
            };
            most = most.max(held);
            if pooled && refused > 0 && stats.services[0].latency.count == stats.accepted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(peer);
        while server.stats().connections > 0 {
            tokio::task::yield_now().await;
        }
        assert!(most <= 3 * REPLY as u64, "{most} bytes held");
        let stats = server.stats();
        assert!(stats.abandoned > 0, "{stats:?}");
        assert_eq!(stats.accepted, stats.replied + stats.abandoned);
        if pooled {
            // All were under way at once: what was too much was refused.
            let refused = stats.errors.get(&22).copied().unwrap_or(0);
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
    for pooled in [false, true] {
        let mut service = echo().raw("Big", big);
        if pooled {
            service = service.pooled(PoolOptions {
                capacity: 2,
                queue: 1000,
            });
        }
        let options = ServerOptions {
            max_in_flight_bytes: 64 << 20,
            // What was forgotten would never be found by chance.
            idle: Duration::from_secs(100_000),
            ..ServerOptions::default()
        };
        let (_server, addr) = start_with(service, options).await;
        let mut peer = Peer::connect(addr).await;
        let all: Vec<u8> = (1..=100)
            .flat_map(|id| request(&head(id, "/rpcdemo.Echo/Big", 4), b""))
            .collect();
        peer.send(&all).await;
        for _ in 1..=100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let reply = peer.reply().await;
            assert_eq!((reply.head.ret, reply.body.len()), (0, REPLY));
        }
    }
}
