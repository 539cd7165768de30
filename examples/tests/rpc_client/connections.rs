//! What ends, and what goes on: connections, their calls, and the client itself.

use futures::FutureExt;
use rpc_demo::client::{CallError, Client, ClientOptions};
use rpc_demo::server::{Server, ServerOptions};
use rpc_demo::wire::Code;
use tokio::io::AsyncReadExt;

use crate::rpc_peer::{ECHO, LONG, echo, pool, start, until};
use crate::{call, one, peer};

#[tokio::test]
async fn it_connects_again_after_its_server_came_back() {
    let (server, addr) = start(echo()).await;
    let client = Client::new(addr, ClientOptions::default());
    for _ in 0..4 {
        assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
    }
    server.shutdown(LONG).await;
    let error = loop {
        // A connection may be seen to be closed only by the call.
        match call(&client, ECHO, LONG).await.unwrap_err() {
            CallError::Net(_) => {}
            other => break other,
        }
    };
    assert!(matches!(error, CallError::Connect(_)), "{error}");
    assert_eq!(error.code(), Code::CLIENT_CONNECT);
    let mut server = Server::new(ServerOptions::default());
    server.serve(echo(), addr).await.unwrap();
    for _ in 0..4 {
        assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_ends_the_calls_that_go_over_it() {
    let addr = peer(|mut stream| async move {
        stream.read_u8().await.unwrap();
    })
    .await;
    let client = one(addr);
    let (first, second) = tokio::join!(call(&client, ECHO, LONG), call(&client, ECHO, LONG));
    assert_eq!(first.unwrap_err().code(), Code::CLIENT_NET);
    // Or it was sent when the listener had gone.
    assert!([Code::CLIENT_NET, Code::CLIENT_CONNECT].contains(&second.unwrap_err().code()));
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let (server, addr) = start(echo().pooled(pool(2, 1000))).await;
    let client = one(addr);
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
    for _ in 0..100 {
        // Polled once: sent, and dropped before the answer comes.
        assert!(call(&client, ECHO, LONG).now_or_never().is_none());
    }
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
    assert_eq!(client.waiting(), 0);
    client.close().await;
    let drained = server.shutdown(LONG).await;
    assert_eq!((drained.accepted, drained.lost), (102, 0));
}

#[tokio::test]
async fn a_closed_client_fails_its_calls_with_code_161() {
    let addr = peer(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let client = one(addr);
    let under_way = {
        let client = client.clone();
        tokio::spawn(async move { call(&client, ECHO, LONG).await })
    };
    until(|| client.waiting() > 0).await;
    client.close().await;
    assert_eq!(
        under_way.await.unwrap().unwrap_err().code(),
        Code::CLIENT_CANCELLED
    );
    assert_eq!(
        call(&client, ECHO, LONG).await.unwrap_err().code(),
        Code::CLIENT_CANCELLED
    );
}

#[tokio::test]
async fn a_client_that_goes_closes_its_connections() {
    let (server, addr) = start(echo()).await;
    let client = one(addr);
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
    assert_eq!(server.stats().connections, 1);
    drop(client);
    until(|| server.stats().connections == 0).await;
}
