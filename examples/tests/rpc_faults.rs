//! Peers that do not keep to the wire: each gets the right code or a closed
//! connection, and the server goes on.

mod rpc_peer;

use rpc_demo::server::{Failure, ServerOptions, Service};
use rpc_demo::wire::compress::compress;
use rpc_demo::wire::{Encoding, RequestProtocol};
use rpc_peer::{
    ECHO, Peer, Text, both, echo, fixed, frame, head, pool, request, start, start_with, until,
};

/// Sends what is wrong after a request that is right: that one is answered,
/// the connection is closed, and the server goes on.
async fn is_closed_after(wrong: &[u8], reason: &str) {
    for service in both(echo, pool(2, 10)) {
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
        let pooled = echo().pooled(pool(2, 10));
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
    until(|| server.stats().connections == 1).await;
    assert_eq!(second.call(&head(2, ECHO, 4), b"on").await.body, b"on");
    let mut next = Peer::connect(addr).await;
    assert_eq!(next.call(&head(3, ECHO, 4), b"on").await.body, b"on");
}
