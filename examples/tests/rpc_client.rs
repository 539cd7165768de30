//! The client: what breaks, and how it goes on.

mod rpc_peer;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{FutureExt, poll};
use prost::Message;
use rpc_demo::client::{CallError, CallOptions, Client, ClientOptions};
use rpc_demo::server::{Failure, PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::{Code, ContentType, ResponseProtocol};
use rpc_peer::{ECHO, Text, echo, frame, start, text, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    client
        .call_raw(
            method,
            ContentType::RAW,
            Bytes::from_static(b"hello"),
            &options,
        )
        .await
}

const LONG: Duration = Duration::from_secs(60);

/// Has the client connect and send a request, which is given up. The time of a call that
/// comes after it cannot be over before it is sent.
async fn connected(client: &Client) {
    let mut given_up = pin!(call(client, ECHO, LONG));
    while client.waiting() == 0 {
        assert!(poll!(given_up.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
}

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

/// Reads one request.
async fn read_request(stream: &mut TcpStream) {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await.unwrap();
    let length = u32::from_be_bytes(fixed[4..8].try_into().unwrap()) as usize;
    stream.read_exact(&mut vec![0; length - 16]).await.unwrap();
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
async fn what_is_no_frame_is_code_171() {
    let addr = peer(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let error = call(&one(addr), ECHO, LONG).await.unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_READ_FRAME, "{error}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_decoded_is_code_122() {
    let addr = peer(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(&frame(1, &[0xff; 11], b"")).await.unwrap();
        read_request(&mut stream).await;
        // ret 0, attachment_size (tag 12) of 1 in an empty body
        stream
            .write_all(&frame(2, &[12 << 3, 1], b""))
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let client = one(addr);
    for _ in 1..=2 {
        let error = call(&client, ECHO, LONG).await.unwrap_err();
        assert_eq!(error.code(), Code::CLIENT_DECODE, "{error}");
    }
}

#[tokio::test]
async fn an_answer_to_nobodys_call_is_thrown_away() {
    let addr = peer(|mut stream| async move {
        read_request(&mut stream).await;
        stream
            .write_all(&frame(77, &[3 << 3, 77], b"not asked for"))
            .await
            .unwrap();
        stream
            .write_all(&frame(1, &[3 << 3, 1], b"asked for"))
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(call(&one(addr), ECHO, LONG).await.unwrap(), "asked for");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_code_101_and_a_late_answer_is_thrown_away() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let addr = peer(|mut stream| async move {
        for _ in 1..=2 {
            read_request(&mut stream).await;
        }
        told.await.unwrap();
        stream
            .write_all(&frame(2, &[3 << 3, 2], b"late"))
            .await
            .unwrap();
        read_request(&mut stream).await;
        stream
            .write_all(&frame(3, &[3 << 3, 3], b"in time"))
            .await
            .unwrap();
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
        stream
            .write_all(&frame(1, &[3 << 3, 1], b"long"))
            .await
            .unwrap();
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
async fn a_remote_error_is_told_with_both_codes() {
    let service: Service = echo().method("Fail", |_, _: Text| async {
        Err::<Text, _>(Failure::business(-7, "not today"))
    });
    let (_server, addr) = start(service).await;
    let client = one(addr);
    let options = CallOptions::default();
    let failed = client
        .call::<_, Text>("/rpcdemo.Echo/Fail", &text(""), &options)
        .await;
    match failed.unwrap_err() {
        CallError::Remote {
            code: Code::OK,
            func_code: -7,
            message,
        } => {
            assert_eq!(message, "not today");
        }
        other => panic!("{other}"),
    }
    let error = client
        .call::<_, Text>("/nobody/home", &text(""), &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NO_SERVICE);
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let (server, addr) = start(echo().pooled(PoolOptions {
        capacity: 2,
        queue: 1000,
    }))
    .await;
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
async fn a_request_that_fits_no_frame_is_code_121_and_the_next_one_goes() {
    let (_server, addr) = start(echo()).await;
    let client = one(addr);
    let options = CallOptions::default();
    let big = Bytes::from(vec![0; 11 << 20]);
    let error = client
        .call_raw(ECHO, ContentType::RAW, big, &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_ENCODE, "{error}");
    let options = CallOptions {
        content_type: ContentType::XML,
        ..CallOptions::default()
    };
    let error = client
        .call::<_, Text>(ECHO, &text(""), &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_ENCODE);
    assert_eq!(call(&client, ECHO, LONG).await.unwrap(), "hello");
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

const SHORT: Duration = Duration::from_millis(20);

/// Reads until the client closes the connection; how many requests came.
async fn count_requests(mut stream: TcpStream) -> u32 {
    let mut fixed = [0; 16];
    let mut count = 0;
    while stream.read_exact(&mut fixed).await.is_ok() {
        let length = u32::from_be_bytes(fixed[4..8].try_into().unwrap()) as usize;
        stream.read_exact(&mut vec![0; length - 16]).await.unwrap();
        count += 1;
    }
    count
}

async fn time_out(client: &Client) {
    let error = call(client, ECHO, SHORT).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout), "{error}");
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
            read_request(&mut stream).await;
        }
        let head = ResponseProtocol {
            request_id: 4,
            ..ResponseProtocol::default()
        };
        let answer = frame(4, &head.encode_to_vec(), b"");
        stream.write_all(&answer).await.unwrap();
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
