//! Another protocol than tRPC: JSON behind its length.

mod rpc_peer;

use std::net::SocketAddr;

use bytes::Bytes;
use rpc_demo::server::{Context, Failure, Service};
use rpc_demo::wire::json::PrefixedJson;
use rpc_peer::{Text, both, echo, pool, start, text};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Speaks JSON behind its length.
struct Peer(TcpStream);

impl Peer {
    async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_u32(text.len() as u32).await.unwrap();
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn reply(&mut self) -> Value {
        let length = self.0.read_u32().await.unwrap();
        let mut text = vec![0; length as usize];
        self.0.read_exact(&mut text).await.unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    async fn call(&mut self, request: Value) -> Value {
        self.send(&request.to_string()).await;
        self.reply().await
    }
}

fn services() -> [Service; 2] {
    let service = || {
        echo()
            .protocol(PrefixedJson)
            .method("Shout", |context: Context, request: Text| async move {
                for (key, value) in context.metadata() {
                    context.set_metadata(format!("{key}-back"), value.clone());
                }
                Ok::<_, Failure>(text(&request.text.to_uppercase()))
            })
            .raw("Panic", |_, _| async { panic!("as it does") })
            .raw("Binary", |_, _| async { Ok(Bytes::from_static(&[0xff])) })
    };
    both(service, pool(2, 100))
}

#[tokio::test]
async fn json_behind_its_length_is_served_like_trpc() {
    for service in services() {
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        let body = json!({"any": ["thing", 1, null]});
        let reply = peer
            .call(json!({"id": 7, "method": "/rpcdemo.Echo/Echo", "body": body}))
            .await;
        let expected = json!({"id": 7, "code": 0, "func_code": 0, "message": "", "meta": {},
            "body": body});
        assert_eq!(reply, expected);
        let shout = json!({"id": 8, "method": "/rpcdemo.Echo/Shout", "timeout_ms": 60_000,
            "meta": {"key": "value"}, "body": {"text": "loud"}});
        let reply = peer.call(shout).await;
        assert_eq!(reply["body"], json!({"text": "LOUD"}));
        assert_eq!(reply["meta"], json!({"key-back": "value"}));
        assert_eq!(server.stats().errors, [].into());
    }
}

#[tokio::test]
async fn what_goes_wrong_has_its_code_and_the_connection_goes_on() {
    for service in services() {
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for (request, code) in [
            (r#"{"id": 1, "method": "/rpcdemo.Echo/Nothing"}"#, 12),
            (
                r#"{"id": 1, "method": "/rpcdemo.Echo/Shout", "body": 5}"#,
                1,
            ),
            (r#"{"id": 1, "metod": "x"}"#, 1),
            (r#"{"id": 1, "method": "/rpcdemo.Echo/Panic"}"#, 31),
            (r#"{"id": 1, "method": "/rpcdemo.Echo/Binary"}"#, 2),
        ] {
            peer.send(request).await;
            let reply = peer.reply().await;
            assert_eq!(
                (&reply["id"], &reply["code"]),
                (&json!(1), &json!(code)),
                "{request}"
            );
        }
        peer.send("no JSON at all").await;
        assert_eq!(peer.reply().await["code"], 1);
        let on = peer
            .call(json!({"id": 2, "method": "/rpcdemo.Echo/Echo"}))
            .await;
        assert_eq!((&on["id"], &on["body"]), (&json!(2), &Value::Null));
    }
}

#[tokio::test]
async fn a_frame_that_says_it_is_too_long_closes_the_connection() {
    for service in services() {
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        peer.0.write_u32(u32::MAX).await.unwrap();
        assert_eq!(peer.0.read(&mut [0]).await.unwrap(), 0);
    }
}
