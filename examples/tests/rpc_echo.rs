//! What goes well: each content type, each way to run a request, many at a
//! time.

mod rpc_peer;

use bytes::Bytes;
use futures::future::join_all;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::server::{Context, Failure, PoolOptions, ServerOptions, Service};
use rpc_demo::wire::{CallType, ContentType, Encoding};
use rpc_peer::{
    ECHO, Peer, Text, both, echo, head, pool, requests, start, start_with, text, until,
};

const POOL: PoolOptions = pool(8, 100_000);

fn client(addr: std::net::SocketAddr) -> Client {
    Client::new(addr, ClientOptions::default())
}

#[tokio::test]
async fn a_body_comes_back_as_it_was_sent_whatever_its_content_type() {
    for service in both(echo, POOL) {
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for content in [0, 2, 3, 4, 5, 77] {
            let body = [content as u8, 0, 255];
            let reply = peer.call(&head(7, ECHO, content), &body).await;
            assert_eq!((reply.id, reply.version, reply.head.request_id), (7, 1, 7));
            assert_eq!((reply.head.ret, reply.head.content_type), (0, content));
            assert_eq!(reply.body, body);
        }
    }
}

#[tokio::test]
async fn a_message_travels_as_protobuf_and_as_json() {
    let shout = |_: Context, request: Text| async move {
        Ok::<_, Failure>(Text {
            text: request.text.to_uppercase(),
        })
    };
    let (_server, addr) = start(Service::new("Shout", "t.Shout").method("Shout", shout)).await;
    let client = client(addr);
    for content_type in [ContentType::PROTOBUF, ContentType::JSON] {
        let options = CallOptions {
            content_type,
            ..CallOptions::default()
        };
        let reply: Text = client
            .call("/t.Shout/Shout", &text("loud"), &options)
            .await
            .unwrap();
        assert_eq!(reply.text, "LOUD");
    }
    let body = Bytes::from_static(br#"{"text":"by hand"}"#);
    let json = ContentType::JSON;
    let reply = client
        .call_raw("/t.Shout/Shout", json, body, &CallOptions::default())
        .await;
    assert_eq!(reply.unwrap(), r#"{"text":"BY HAND"}"#);
}

#[tokio::test]
async fn a_handler_knows_of_its_request() {
    let tell = |context: Context, _: Bytes| async move {
        let key = context.metadata().get("key").cloned().unwrap_or_default();
        assert_eq!(context.request_id(), context.request_id());
        assert_eq!(context.request_id().get_version_num(), 7);
        let told = format!(
            "{} {} {} {} {}",
            context.service(),
            context.method(),
            String::from_utf8_lossy(context.caller()),
            String::from_utf8_lossy(&key),
            context.peer().ip(),
        );
        Ok(Bytes::from(told))
    };
    let (_server, addr) = start(Service::new("Name", "t.Path").raw("Tell", tell)).await;
    let options = ClientOptions {
        caller: "me".to_owned(),
        ..ClientOptions::default()
    };
    let client = Client::new(addr, options);
    let meta = [("key".to_owned(), Bytes::from_static(b"value"))].into();
    let options = CallOptions {
        meta,
        ..CallOptions::default()
    };
    let reply = client
        .call_raw("/t.Path/Tell", ContentType::RAW, Bytes::new(), &options)
        .await;
    assert_eq!(reply.unwrap(), "Name /t.Path/Tell me value 127.0.0.1");
}

#[tokio::test]
async fn a_one_way_call_is_handled_and_not_answered() {
    for service in both(echo, pool(1, 10)) {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let service = service.raw("Tell", move |_, body| {
            tell.send(body).unwrap();
            async { Ok(Bytes::from_static(b"not to be seen")) }
        });
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        let mut one_way = head(1, "/rpcdemo.Echo/Tell", 4);
        one_way.call_type = CallType::OneWay.into();
        peer.send(&rpc_peer::request(&one_way, b"psst")).await;
        assert_eq!(told.recv().await.unwrap(), "psst");
        // The next thing to be heard is the answer to the next call.
        assert_eq!(peer.call(&head(2, ECHO, 4), b"hello").await.id, 2);

        let client = client(addr);
        let options = CallOptions::default();
        let body = Bytes::from_static(b"from the client");
        let method = "/rpcdemo.Echo/Tell";
        client
            .send_one_way(method, ContentType::RAW, body.clone(), &options)
            .await
            .unwrap();
        assert_eq!(told.recv().await.unwrap(), body);
        client.close().await;
        drop(peer);
        let drained = server.shutdown(std::time::Duration::from_secs(60)).await;
        assert_eq!((drained.accepted, drained.replied, drained.lost), (3, 3, 0));
    }
}

#[tokio::test]
async fn requests_that_come_in_one_piece_or_byte_by_byte_are_all_answered() {
    let (_server, addr) = start(echo()).await;
    let mut peer = Peer::connect(addr).await;
    let one = requests(1..=50, ECHO, b"x");
    peer.send(&one).await;
    for id in 1..=50 {
        assert_eq!(peer.reply().await.id, id);
    }
    for byte in rpc_peer::request(&head(51, ECHO, 4), b"slow") {
        peer.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.reply().await.body, b"slow");
}

#[tokio::test]
async fn a_body_as_long_as_a_frame_may_be_comes_back() {
    for service in both(echo, POOL) {
        let (_server, addr) = start(service).await;
        let body = Bytes::from(vec![7; (10 << 20) - 200]);
        let options = CallOptions {
            timeout: std::time::Duration::from_secs(60),
            ..CallOptions::default()
        };
        let reply = client(addr)
            .call_raw(ECHO, ContentType::RAW, body.clone(), &options)
            .await;
        assert!(reply.unwrap() == body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_a_time_over_two_connections_get_their_own_answers() {
    for service in both(echo, POOL) {
        let options = ServerOptions {
            max_in_flight: 512,
            ..ServerOptions::default()
        };
        let (server, addr) = start_with(service, options).await;
        let client = client(addr);
        let options = CallOptions {
            timeout: std::time::Duration::from_secs(60),
            ..CallOptions::default()
        };
        let calls = (0..10_000u32).map(|n| {
            let (client, options) = (&client, &options);
            async move {
                let body = Bytes::from(format!("{n}").repeat(n as usize % 50 + 1));
                let reply = client
                    .call_raw(ECHO, ContentType::RAW, body.clone(), options)
                    .await;
                assert_eq!(reply.unwrap(), body);
            }
        });
        join_all(calls).await;
        assert_eq!(server.stats().connections, 2);
        client.close().await;
        let drained = server.shutdown(std::time::Duration::from_secs(60)).await;
        assert_eq!(
            (drained.accepted, drained.replied, drained.lost),
            (10_000, 10_000, 0)
        );
    }
}

#[tokio::test]
async fn bodies_travel_compressed_both_ways_in_every_encoding() {
    let pages = |_: Context, body: Bytes| async move { Ok(body.repeat(2).into()) };
    let (server, addr) = start(echo().raw("Twice", pages)).await;
    let client = client(addr);
    let body = Bytes::from(b"again and again, ".repeat(6_000));
    for encoding in Encoding::ALL {
        let before = server.stats();
        let options = CallOptions {
            encoding,
            ..CallOptions::default()
        };
        let reply = client
            .call_raw(
                "/rpcdemo.Echo/Twice",
                ContentType::RAW,
                body.clone(),
                &options,
            )
            .await;
        assert!(reply.unwrap()[..] == body.repeat(2)[..], "{encoding}");
        let after = server.stats();
        if encoding != Encoding::LZ4_BLOCK {
            // Its peers take no block that grows by more than 10 times.
            let (came, went) = (
                after.bytes_in - before.bytes_in,
                after.bytes_out - before.bytes_out,
            );
            let most = body.len() as u64 / 4;
            assert!(came < most && went < most, "{encoding}: {came} {went}");
        }
    }
}

#[tokio::test]
async fn metadata_and_an_attachment_come_back_beside_the_body() {
    for service in both(echo, POOL) {
        let service = service.raw("Beside", |context, body| async move {
            for (key, value) in context.metadata() {
                context.set_metadata(format!("{key}-back"), value.clone());
            }
            context.set_attachment(context.attachment().slice(1..));
            Ok(body)
        });
        let (_server, addr) = start(service).await;
        let options = CallOptions {
            meta: [("key".to_owned(), Bytes::from_static(b"value"))].into(),
            attachment: Bytes::from_static(b"attached"),
            encoding: Encoding::GZIP,
            ..CallOptions::default()
        };
        let body = Bytes::from(vec![7; 1000]);
        let answer = client(addr)
            .call_whole(
                "/rpcdemo.Echo/Beside",
                ContentType::RAW,
                body.clone(),
                &options,
            )
            .await
            .unwrap();
        assert_eq!(answer.body, body);
        assert_eq!(answer.attachment, "ttached");
        assert_eq!(
            answer.meta,
            [("key-back".to_owned(), Bytes::from_static(b"value"))].into()
        );
    }
}

#[tokio::test]
async fn open_connections_are_listed_with_what_they_did() {
    let (server, addr) = start(echo()).await;
    let handle = server.stats_handle();
    let mut peers = [Peer::connect(addr).await, Peer::connect(addr).await];
    for (calls, peer) in [(1, 0), (3, 1)] {
        for _ in 0..calls {
            peers[peer].call(&head(1, ECHO, 4), b"x").await;
        }
    }
    let listed = handle.connections();
    assert!(listed.is_sorted_by_key(|one| one.peer));
    for (calls, peer) in [(1, &peers[0]), (3, &peers[1])] {
        let own = peer.0.local_addr().unwrap();
        let one = listed
            .iter()
            .find(|one| one.peer == own)
            .expect("is listed");
        assert_eq!(
            (&one.service[..], one.accepted, one.in_flight),
            ("Echo", calls, 0)
        );
        assert!(one.bytes_in > 0 && one.replied <= calls);
    }
    drop(peers);
    until(|| handle.connections().is_empty()).await;
}
