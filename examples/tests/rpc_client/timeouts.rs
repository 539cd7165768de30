//! Servers that do not answer in time, or do not read.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::poll;
use rpc_demo::client::{CallError, CallOptions, Client};
use rpc_demo::wire::{Code, ContentType};
use tokio::net::{TcpListener, TcpStream};

use crate::rpc_peer::{ECHO, LONG, echo, start, until};
use crate::{answer, call, one, peer, read_request};

const SHORT: Duration = Duration::from_millis(20);

/// Has the client connect and send a request, which is given up. The time of a call that
/// comes after it cannot be over before it is sent.
async fn connected(client: &Client) {
    let mut given_up = pin!(call(client, ECHO, LONG));
    while client.waiting() == 0 {
        assert!(poll!(given_up.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
}

/// Reads until the client closes the connection; how many requests came.
async fn count_requests(mut stream: TcpStream) -> u32 {
    let mut count = 0;
    while read_request(&mut stream).await.is_ok() {
        count += 1;
    }
    count
}

async fn time_out(client: &Client) {
    let error = call(client, ECHO, SHORT).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
}

#[tokio::test]
async fn the_callers_timeout_is_told_to_the_server() {
    let remaining = |context: rpc_demo::server::Context, _| async move {
        Ok(context.remaining().as_secs().to_string().into())
    };
    let service = echo()
        .raw("Left", remaining)
        .timeout(Duration::from_secs(7200));
    let (_server, addr) = start(service).await;
    let timeout = Duration::from_secs(3600);
    let left = call(&one(addr), "/rpcdemo.Echo/Left", timeout)
        .await
        .unwrap();
    let left: u64 = std::str::from_utf8(&left).unwrap().parse().unwrap();
    assert!((3000..3600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_code_101_and_a_late_answer_is_thrown_away() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let addr = peer(|mut stream| async move {
        for _ in 1..=2 {
            read_request(&mut stream).await.unwrap();
        }
        told.await.unwrap();
        answer(&mut stream, 2, b"late").await;
        read_request(&mut stream).await.unwrap();
        answer(&mut stream, 3, b"in time").await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = one(addr);
    connected(&client).await;
    let error = call(&client, ECHO, Duration::from_millis(30))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
    assert_eq!(error.code(), Code::CLIENT_TIMEOUT);
    tell.send(()).unwrap();
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "in time");
}

#[tokio::test]
async fn a_short_timeout_is_kept_while_a_long_one_goes_on() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let addr = peer(|mut stream| async move {
        told.await.unwrap();
        answer(&mut stream, 1, b"long").await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = one(addr);
    let long = {
        let client = client.clone();
        tokio::spawn(async move { call(&client, ECHO, LONG).await })
    };
    // The long one is the first to be sent.
    until(|| client.waiting() > 0).await;
    let error = call(&client, ECHO, Duration::from_millis(20))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
    tell.send(()).unwrap();
    assert_eq!(long.await.unwrap().unwrap(), "long");
}

#[tokio::test]
async fn a_connection_over_which_nothing_comes_is_replaced_by_the_third_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = one(listener.local_addr().unwrap());
    let mut streams = Vec::new();
    for _ in 0..2 {
        let accepted = async { listener.accept().await.unwrap().0 };
        let ((), stream) = tokio::join!(connected(&client), accepted);
        streams.push(tokio::spawn(count_requests(stream)));
        time_out(&client).await;
        time_out(&client).await;
        // Many that end together count once. They begin together, too, as the clock stands
        // still meanwhile.
        tokio::time::pause();
        let mut together = [(); 3].map(|()| Box::pin(time_out(&client)));
        for call in &mut together {
            assert!(poll!(call).is_pending());
        }
        tokio::time::resume();
        join_all(together).await;
    }
    for stream in streams {
        assert_eq!(stream.await.unwrap(), 1 + 5);
    }
}

#[tokio::test]
async fn a_server_that_answers_now_and_then_keeps_its_connection() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let addr = peer(|mut stream| async move {
        for _ in 0..4 {
            read_request(&mut stream).await.unwrap();
        }
        answer(&mut stream, 4, b"").await;
        tell.send(count_requests(stream).await).unwrap();
    })
    .await;
    let client = one(addr);
    connected(&client).await;
    time_out(&client).await;
    time_out(&client).await;
    call(&client, ECHO, LONG).await.unwrap();
    for _ in 0..3 {
        time_out(&client).await;
    }
    assert_eq!(told.await.unwrap(), 3);
}

#[tokio::test]
async fn one_way_calls_to_a_server_that_does_not_read_wait_and_go_on_when_it_does() {
    let (read, reads) = tokio::sync::oneshot::channel::<()>();
    let addr = peer(|stream| async move {
        reads.await.unwrap();
        count_requests(stream).await;
    })
    .await;
    let client = one(addr);
    let body = Bytes::from(vec![0; 64 << 10]);
    let send = |timeout| {
        let options = CallOptions {
            timeout,
            ..CallOptions::default()
        };
        let (client, body) = (&client, body.clone());
        async move {
            client
                .send_one_way(ECHO, ContentType::RAW, body, &options)
                .await
        }
    };
    // Far more than the kernel and one buffer hold.
    let mut sent = 0;
    let error = loop {
        assert!(sent < 64 << 20, "nobody waits");
        match send(10 * SHORT).await {
            Ok(()) => sent += body.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CallError::Timeout), "{error}");
    let ((), later) = tokio::join!(async { read.send(()).unwrap() }, send(LONG));
    later.unwrap();
}
