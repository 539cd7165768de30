//! The client of many servers: discovery, balance, retries, figures, batches.

mod rpc_peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use rpc_demo::client::{
    Answer, Balanced, BalancedOptions, BatchOptions, Batcher, CallError, CallOptions, Discovery,
    Retry, Update,
};
use rpc_demo::server::{Failure, Server, ServerOptions};
use rpc_demo::wire::{Code, ContentType};
use rpc_peer::{ECHO, address, echo, gated, start, until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn options() -> BalancedOptions {
    BalancedOptions {
        retry: Retry {
            first_pause: Duration::from_millis(1),
            ..Retry::default()
        },
        // Only when a test says so.
        refresh: Duration::from_secs(100_000),
        rest: Duration::from_secs(100_000),
        ..BalancedOptions::default()
    }
}

async fn call(client: &Balanced, method: &str) -> Result<Answer, CallError> {
    let body = Bytes::from_static(b"hello");
    let options = CallOptions {
        timeout: Duration::from_secs(60),
        ..CallOptions::default()
    };
    client
        .call_raw(method, ContentType::RAW, body, &options)
        .await
}

async fn servers<const N: usize>() -> ([Server; N], Vec<SocketAddr>) {
    let started = join_all((0..N).map(|_| start(echo()))).await;
    let addrs = started.iter().map(|(_, addr)| *addr).collect();
    let servers: Vec<_> = started.into_iter().map(|(server, _)| server).collect();
    (servers.try_into().expect("N of them"), addrs)
}

/// Tells what it was told to tell.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Vec<SocketAddr>>>>);

impl Discovery for Told {
    fn resolve(&self) -> BoxFuture<'_, std::io::Result<Vec<SocketAddr>>> {
        let told = self.0.lock().clone();
        let told = told.ok_or_else(|| std::io::ErrorKind::TimedOut.into());
        Box::pin(std::future::ready(told))
    }
}

#[tokio::test]
async fn calls_are_spread_over_all_servers() {
    let (servers, addrs) = servers::<3>().await;
    let client = Balanced::new(addrs, options()).await;
    for answer in join_all((0..300).map(|_| call(&client, ECHO))).await {
        assert_eq!(answer.unwrap().body, "hello");
    }
    let taken = servers.each_ref().map(|server| server.stats().accepted);
    assert_eq!(taken.iter().sum::<u64>(), 300);
    assert!(taken.iter().all(|taken| *taken > 30), "{taken:?}");
}

#[tokio::test]
async fn a_dead_server_among_others_fails_no_call_and_is_left_alone() {
    let (servers, mut addrs) = servers::<2>().await;
    let dead = address();
    addrs.insert(0, dead);
    let client = Balanced::new(addrs, options()).await;
    for _ in 0..100 {
        call(&client, ECHO).await.unwrap();
    }
    let taken: u64 = servers.iter().map(|server| server.stats().accepted).sum();
    let figures = client.figures();
    assert_eq!((taken, figures.messages), (100, [(0, 100)].into()));
    assert_eq!(figures.errors, [(111, 1)].into());
    assert_eq!(figures.retries, [(dead, 1)].into());
    assert_eq!(
        figures.updates,
        [(Update::Added, 3), (Update::Down, 1)].into()
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_left_alone_after_some_timeouts() {
    let (_servers, mut addrs) = servers::<1>().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    addrs.push(silent.local_addr().unwrap());
    let mut options = options();
    options.client.connections = 1;
    let client = Balanced::new(addrs, options).await;
    let short = || async {
        let options = CallOptions {
            timeout: Duration::from_millis(20),
            ..CallOptions::default()
        };
        let call = client.call_raw(ECHO, ContentType::RAW, Bytes::new(), &options);
        call.await.err().map(|error| error.code())
    };
    for _ in 0..1_000 {
        short().await;
        if client.figures().updates.contains_key(&Update::Down) {
            break;
        }
    }
    assert_eq!(client.figures().updates[&Update::Down], 1);
    for _ in 0..50 {
        assert_eq!(call(&client, ECHO).await.unwrap().body, "hello");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_under_load_fails_no_call() {
    let ([first, second], addrs) = servers::<2>().await;
    let client = Balanced::new(addrs, options()).await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..500 {
                    call(&client, ECHO).await.unwrap();
                }
            })
        })
        .collect();
    until(|| first.stats().replied >= 100).await;
    let drained = first.shutdown(Duration::from_secs(60)).await;
    assert_eq!((drained.abandoned, drained.lost), (0, 0));
    for caller in callers {
        caller.await.unwrap();
    }
    let figures = client.figures();
    assert_eq!(figures.messages, [(0, 4000)].into());
    let answered = drained.replied - figures.errors.get(&22).copied().unwrap_or(0);
    assert_eq!(answered + second.stats().accepted, 4000);
}

#[tokio::test]
async fn the_only_server_is_never_given_up() {
    let addr = address();
    let client = Balanced::new(vec![addr], options()).await;
    for _ in 0..3 {
        assert_eq!(
            call(&client, ECHO).await.unwrap_err().code(),
            Code::CLIENT_CONNECT
        );
    }
    let mut server = Server::new(ServerOptions::default());
    server.serve(echo(), addr).await.unwrap();
    assert_eq!(call(&client, ECHO).await.unwrap().body, "hello");
    let figures = client.figures();
    assert_eq!(figures.updates, [(Update::Added, 1)].into());
    assert_eq!(figures.retries, [(addr, 6)].into());
    assert_eq!(figures.messages, [(0, 1), (111, 3)].into());
}

#[tokio::test]
async fn when_all_are_down_all_are_asked() {
    let addrs = vec![address(), address()];
    let client = Balanced::new(addrs.clone(), options()).await;
    call(&client, ECHO).await.unwrap_err();
    let mut server = Server::new(ServerOptions::default());
    server.serve(echo(), addrs[1]).await.unwrap();
    call(&client, ECHO).await.unwrap();
    assert_eq!(client.figures().updates[&Update::Recovered], 1);
}

#[tokio::test]
async fn discovery_adds_and_removes_and_nothing_keeps_what_was_known() {
    let told = Told::default();
    let client = Balanced::new(told.clone(), options()).await;
    assert!(matches!(call(&client, ECHO).await, Err(CallError::Route)));

    let (service, gate, mut starts) = gated(echo());
    let (_first, first) = start(service).await;
    *told.0.lock() = Some(vec![first, first]);
    client.refresh().await;
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { call(&client, "/rpcdemo.Echo/Wait").await })
    };
    starts.recv().await.unwrap();
    assert_eq!(client.figures().pending, [(first, 1)].into());

    let ([other], addrs) = servers::<1>().await;
    *told.0.lock() = Some(addrs.clone());
    client.refresh().await;
    for nothing in [Some(Vec::new()), None] {
        *told.0.lock() = nothing;
        client.refresh().await;
        call(&client, ECHO).await.unwrap();
    }
    assert_eq!(other.stats().accepted, 2);
    // The call that was under way to a server that has gone ends well.
    gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().body, "hello");
    let expected = [
        (Update::Added, 2),
        (Update::Removed, 1),
        (Update::KeptOnEmpty, 1),
        // That of the beginning, too.
        (Update::KeptOnError, 2),
    ];
    assert_eq!(client.figures().updates, expected.into());
}

#[tokio::test]
async fn what_a_server_refused_is_tried_again_and_what_it_may_have_done_is_not() {
    let refusals = Arc::new(AtomicU32::new(2));
    let left = Arc::clone(&refusals);
    let service = echo().raw("Busy", move |_, body| {
        let refuses = left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok();
        async move {
            if refuses {
                return Err(Failure::framework(Code::SERVER_OVERLOAD, "busy"));
            }
            Ok(body)
        }
    });
    let (_server, addr) = start(service).await;
    let client = Balanced::new(vec![addr], options()).await;
    call(&client, "/rpcdemo.Echo/Busy").await.unwrap();
    assert_eq!(client.figures().errors, [(22, 2)].into());
    refusals.store(3, Relaxed);
    let error = call(&client, "/rpcdemo.Echo/Busy").await.unwrap_err();
    assert_eq!(error.code(), Code::SERVER_OVERLOAD);

    // Takes requests and goes away.
    for (idempotent, attempts) in [(false, 1), (true, 3)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let came = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&came);
        let rude = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_u8().await.unwrap();
                count.fetch_add(1, Relaxed);
            }
        });
        let options = BalancedOptions {
            idempotent,
            ..options()
        };
        let client = Balanced::new(vec![addr], options).await;
        let error = call(&client, ECHO).await.unwrap_err();
        assert_eq!(error.code(), Code::CLIENT_NET);
        assert_eq!(came.load(Relaxed), attempts);
        rude.abort();
    }
}

#[tokio::test]
async fn no_answer_in_time_is_counted_and_the_timeout_is_that_of_all_attempts() {
    let service = echo().raw("Never", |_, _| std::future::pending());
    let (_server, addr) = start(service).await;
    let client = Balanced::new(vec![addr], options()).await;
    let short = CallOptions {
        timeout: Duration::from_millis(30),
        ..CallOptions::default()
    };
    let never = "/rpcdemo.Echo/Never";
    let error = client
        .call_raw(never, ContentType::RAW, Bytes::new(), &short)
        .await
        .unwrap_err();
    // Which of the two sides notices first is open.
    assert!([101, 24].contains(&error.code().0), "{error}");
    let figures = client.figures();
    assert_eq!(figures.messages, [(error.code().0, 1)].into());
    assert_eq!(figures.timeouts.len(), usize::from(error.code().0 == 101));
    assert_eq!(figures.batch_micros.count, 1);
}

#[test]
fn a_thread_that_is_no_task_calls_and_waits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_server, addr) = runtime.block_on(start(echo()));
    let client = runtime.block_on(Balanced::new(vec![addr], options()));
    let body = Bytes::from(vec![7; 5000]);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, body) = (client.clone(), body.clone());
            std::thread::spawn(move || {
                let options = CallOptions::default();
                client.call_raw_blocking(ECHO, ContentType::RAW, body, &options)
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.join().unwrap().unwrap().body, body);
    }
    let figures = client.figures();
    assert_eq!(
        (figures.batch_bytes.count, figures.batch_micros.count),
        (4, 4)
    );
    assert!(
        (4900..5100).contains(&figures.batch_bytes.p50),
        "{figures:?}"
    );
    runtime.block_on(client.close());
}

/// A batcher, and the batches that it sends.
fn batcher(options: BatchOptions) -> (Batcher<u32>, mpsc::UnboundedReceiver<Vec<u32>>) {
    let (tell, told) = mpsc::unbounded_channel();
    let ids = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let batcher = Batcher::new(options, move |id, messages| {
        assert!(ids.lock().insert(id), "no two batches have one id");
        let fails = messages.contains(&13);
        tell.send(messages).unwrap();
        async move {
            if fails {
                Err(CallError::Timeout)
            } else {
                Ok(())
            }
        }
    });
    (batcher, told)
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_it_is_full_or_has_waited_and_each_learns_how() {
    let (batcher, mut batches) = batcher(BatchOptions {
        messages: 3,
        bytes: 100,
        ..BatchOptions::default()
    });
    let sent = join_all((1..=4).map(|message| batcher.send(message, 1))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(batches.recv().await.unwrap(), [1, 2, 3]);
    assert_eq!(batches.recv().await.unwrap(), [4], "after 20 ms");
    let sent = join_all([(12, 60), (13, 60), (14, 1)].map(|(m, bytes)| batcher.send(m, bytes)));
    let results: Vec<_> = sent.await.iter().map(Result::is_ok).collect();
    assert_eq!(results, [false, false, true]);
    assert_eq!(batches.recv().await.unwrap(), [12, 13]);
    assert_eq!(batches.recv().await.unwrap(), [14]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_finds_no_place_comes_back_and_what_waits_goes_at_the_end() {
    let (batcher, mut batches) = batcher(BatchOptions {
        pending: 2,
        ..BatchOptions::default()
    });
    assert_eq!(batcher.try_send(1, 1), Ok(()));
    assert_eq!(batcher.try_send(2, 1), Ok(()));
    assert_eq!(batcher.try_send(3, 1), Err(3));
    drop(batcher);
    assert_eq!(batches.recv().await.unwrap(), [1, 2]);
    assert_eq!(batches.recv().await, None);
}
