//! A peer that speaks the wire byte by byte, so that it can speak it wrongly.
#![allow(dead_code, unused_imports)] // each test file uses a part of it

#[path = "../address/mod.rs"]
mod address;
#[path = "../until/mod.rs"]
mod until;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use rpc_demo::server::{Drained, PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::{RequestProtocol, ResponseProtocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

pub use address::address;
pub use until::{until, until_blocking};

pub const ECHO: &str = "/rpcdemo.Echo/Echo";
pub const RAW: u32 = 4;
pub const LONG: Duration = Duration::from_secs(60);
pub const WAIT: &str = "/rpcdemo.Echo/Wait";

/// A message that is both protobuf and JSON.
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Text {
    #[prost(string, tag = "1")]
    pub text: String,
}

pub fn text(text: &str) -> Text {
    Text {
        text: text.to_owned(),
    }
}

/// The service that everything can be tried on.
pub fn echo() -> Service {
    Service::new("Echo", "rpcdemo.Echo").raw("Echo", |_, body| async move { Ok(body) })
}

/// So many workers, and so many requests that may wait for them.
pub const fn pool(capacity: usize, queue: usize) -> PoolOptions {
    PoolOptions { capacity, queue }
}

/// The service that everything can be tried on, on workers.
pub fn pooled() -> Service {
    echo().pooled(pool(4, 1000))
}

/// A service in line, and on workers.
pub fn both(service: impl Fn() -> Service, pool: PoolOptions) -> [Service; 2] {
    [service().inline(), service().pooled(pool)]
}

/// A service whose handlers tell that they have started, and wait.
pub fn gated(service: Service) -> (Service, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let gate = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&gate);
    let (started, starts) = mpsc::unbounded_channel();
    let service = service.raw("Wait", move |_, body: Bytes| {
        let (wait, started) = (Arc::clone(&wait), started.clone());
        async move {
            // Not everybody asks.
            let _ = started.send(());
            wait.acquire().await.unwrap().forget();
            Ok(body)
        }
    });
    (service, gate, starts)
}

/// Begins the shutdown, and returns once the port is closed.
pub async fn stop(server: Server, addr: SocketAddr, limit: Duration) -> JoinHandle<Drained> {
    let stopping = tokio::spawn(server.shutdown(limit));
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stopping
}

pub async fn start<L>(service: Service<L>) -> (Server, SocketAddr) {
    start_with(service, ServerOptions::default()).await
}

pub async fn start_with<L>(service: Service<L>, options: ServerOptions) -> (Server, SocketAddr) {
    let mut server = Server::new(options);
    let addr = server
        .serve(service, address())
        .await
        .expect("the port is held for it");
    (server, addr)
}

/// The fixed head with these lengths.
pub fn fixed(id: u32, total: u32, head: u16) -> Vec<u8> {
    let mut bytes = vec![0x09, 0x30, 0, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend(head.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([1, 0]);
    bytes
}

/// A whole frame.
pub fn frame(id: u32, head: &[u8], body: &[u8]) -> Vec<u8> {
    let total = 16 + head.len() + body.len();
    let mut bytes = fixed(id, total as u32, head.len() as u16);
    bytes.extend(head);
    bytes.extend(body);
    bytes
}

pub fn head(id: u32, method: &str, content: u32) -> RequestProtocol {
    RequestProtocol {
        request_id: id,
        func: Bytes::copy_from_slice(method.as_bytes()),
        content_type: content,
        ..RequestProtocol::default()
    }
}

pub fn request(head: &RequestProtocol, body: &[u8]) -> Vec<u8> {
    frame(head.request_id, &head.encode_to_vec(), body)
}

/// Requests of these ids, one behind the other.
pub fn requests(ids: impl Iterator<Item = u32>, method: &str, body: &[u8]) -> Vec<u8> {
    ids.flat_map(|id| request(&head(id, method, RAW), body))
        .collect()
}

/// A response as it came.
#[derive(Debug)]
pub struct Response {
    pub id: u32,
    pub version: u8,
    pub head: ResponseProtocol,
    pub body: Vec<u8>,
}

pub struct Peer(pub TcpStream);

impl Peer {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.expect("the server accepts"))
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the server reads");
    }

    /// The next response; `None` when the server has closed the connection.
    pub async fn next(&mut self) -> Option<Response> {
        let mut fixed = [0; 16];
        match self.0.read_exact(&mut fixed).await {
            Ok(_) => {}
            Err(_) => return None,
        }
        assert_eq!(fixed[..3], [0x09, 0x30, 0], "magic and frame type");
        let at = |from: usize| u32::from_be_bytes(fixed[from..from + 4].try_into().unwrap());
        let head = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        assert_ne!(head, 0, "an empty head is refused by others");
        let mut rest = vec![0; at(4) as usize - 16];
        self.0.read_exact(&mut rest).await.expect("a whole frame");
        let body = rest.split_off(head);
        let head = ResponseProtocol::decode(&rest[..]).expect("a response head");
        Some(Response {
            id: at(10),
            version: fixed[14],
            head,
            body,
        })
    }

    pub async fn reply(&mut self) -> Response {
        self.next().await.expect("a response")
    }

    pub async fn call(&mut self, head: &RequestProtocol, body: &[u8]) -> Response {
        self.send(&request(head, body)).await;
        self.reply().await
    }

    /// Waits until the server has closed the connection; nothing comes before.
    pub async fn closed(mut self) {
        let next = self.next().await;
        assert!(next.is_none(), "{next:?} instead of the end");
    }
}

/// Sends without pause, and stops when it is told to go elsewhere; how many
/// requests were answered, and how many refused.
pub async fn until_told(
    addr: std::net::SocketAddr,
    under_way: mpsc::UnboundedSender<()>,
) -> (u32, u32) {
    const WINDOW: u32 = 32;
    let mut peer = Peer::connect(addr).await;
    let (mut sent, mut answered, mut refused) = (0, 0, 0);
    while answered + refused < sent || refused == 0 {
        if refused == 0 && sent < answered + WINDOW {
            let more = answered + WINDOW - sent;
            let ids = sent + 1..=sent + more;
            peer.send(&requests(ids, ECHO, b"full speed")).await;
            sent += more;
        }
        let reply = peer.reply().await;
        match reply.head.ret {
            0 => answered += 1,
            22 => {
                assert!(reply.head.trans_info.contains_key("stopping"), "{reply:?}");
                refused += 1;
            }
            other => panic!("code {other}"),
        }
        if answered == 10 * WINDOW {
            let _ = under_way.send(());
        }
    }
    drop(peer);
    (answered, refused)
}
