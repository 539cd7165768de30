//! A client whose connections have one call at a time.

mod rpc_peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{CallError, CallOptions, Client, ClientOptions};
use rpc_demo::server::Server;
use rpc_demo::wire::{Code, ContentType};
use rpc_peer::{ECHO, LONG, WAIT, echo, gated, pool, start};
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// A server whose handlers wait, and a client of it with two connections.
async fn two() -> (Server, Client, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let (service, gate, starts) = gated(echo().pooled(pool(9, 9)));
    let (server, addr) = start(service).await;
    let options = ClientOptions {
        connections: 2,
        exclusive: true,
        ..ClientOptions::default()
    };
    (server, Client::new(addr, options), gate, starts)
}

fn options(timeout: Duration) -> CallOptions {
    CallOptions {
        timeout,
        ..CallOptions::default()
    }
}

fn call(client: &Client) -> JoinHandle<Result<Bytes, CallError>> {
    let client = client.clone();
    tokio::spawn(async move {
        let (body, options) = (Bytes::from_static(b"mine"), options(LONG));
        let answer = client.call_raw(WAIT, ContentType::RAW, body, &options);
        answer.await
    })
}

/// Requests under way, by connection.
fn in_flight(server: &Server) -> Vec<u64> {
    let connections = server.stats_handle().connections();
    connections.iter().map(|one| one.in_flight).collect()
}

#[tokio::test]
async fn a_connection_has_one_call_at_a_time_and_who_finds_none_waits() {
    let (server, client, gate, mut starts) = two().await;
    let calls: Vec<_> = (0..5).map(|_| call(&client)).collect();
    for ended in 0..5 {
        // Two have begun, or as many as are left.
        if ended == 0 {
            starts.recv().await.unwrap();
        }
        if ended < 4 {
            starts.recv().await.unwrap();
        }
        let under_way = in_flight(&server);
        assert!(under_way.len() <= 2, "{under_way:?}");
        assert!(under_way.iter().all(|calls| *calls <= 1), "{under_way:?}");
        assert!(server.stats().accepted <= ended + 2);
        gate.add_permits(1);
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "mine");
    }
    assert_eq!(server.stats().accepted, 5);
}

#[tokio::test]
async fn who_waits_for_too_long_has_sent_nothing_and_who_goes_makes_room() {
    let (server, client, _gate, mut starts) = two().await;
    let calls = [call(&client), call(&client)];
    for _ in &calls {
        starts.recv().await.unwrap();
    }
    let short = options(Duration::from_millis(10));
    let late = client.call_raw(ECHO, ContentType::RAW, Bytes::new(), &short);
    assert_eq!(late.await.unwrap_err().code(), Code::CLIENT_TIMEOUT);
    assert_eq!(server.stats().accepted, 2);
    // Nobody waits for the answer any more.
    calls[0].abort();
    let long = options(LONG);
    let next = client.call_raw(ECHO, ContentType::RAW, Bytes::from_static(b"on"), &long);
    assert_eq!(next.await.unwrap(), "on");
}

#[tokio::test]
async fn who_holds_a_connection_that_breaks_leaves_it_to_the_next_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ClientOptions {
        connections: 1,
        exclusive: true,
        ..ClientOptions::default()
    };
    let client = Client::new(listener.local_addr().unwrap(), options);
    for _ in 0..3 {
        let call = call(&client);
        let (mut stream, _) = listener.accept().await.unwrap();
        // Closed with the call unanswered.
        stream.read_u8().await.unwrap();
        drop(stream);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::CLIENT_NET, "{error}");
    }
}
