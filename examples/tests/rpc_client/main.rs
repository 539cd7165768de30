//! The client: what breaks, and how it goes on.

#[path = "../rpc_peer/mod.rs"]
mod rpc_peer;

mod codes;
mod connections;
mod timeouts;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{CallError, CallOptions, Client, ClientOptions};
use rpc_demo::wire::ContentType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A client with one connection.
fn one(addr: SocketAddr) -> Client {
    Client::new(
        addr,
        ClientOptions {
            connections: 1,
            ..ClientOptions::default()
        },
    )
}

async fn call(client: &Client, method: &str, timeout: Duration) -> Result<Bytes, CallError> {
    let options = CallOptions {
        timeout,
        ..CallOptions::default()
    };
    let body = Bytes::from_static(b"hello");
    let answer = client.call_raw(method, ContentType::RAW, body, &options);
    answer.await
}

/// A server that does this with its first connection.
async fn peer<F: Future<Output = ()> + Send>(
    first: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { first(listener.accept().await.unwrap().0).await });
    addr
}

/// Reads one request.
async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let length = u32::from_be_bytes(fixed[4..8].try_into().unwrap()) as usize;
    stream.read_exact(&mut vec![0; length - 16]).await?;
    Ok(())
}

/// Answers the request with this id.
async fn answer(stream: &mut TcpStream, id: u8, body: &[u8]) {
    let head = [3 << 3, id]; // request_id, tag 3
    let answer = rpc_peer::frame(id.into(), &head, body);
    stream.write_all(&answer).await.unwrap();
}
