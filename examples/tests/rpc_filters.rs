//! The filter chain, and what goes along with a request.

mod rpc_peer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use errgroup::Group;
use parking_lot::Mutex;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::server::filter::{CarriedLayer, ShedLateLayer, auth};
use rpc_demo::server::{Context, Failure, PoolOptions, Request, Service};
use rpc_demo::wire::{Code, ContentType, RequestProtocol};
use rpc_peer::{ECHO, LONG, Peer, WAIT, both, echo, gated, head, pool, start, until};
use tokio::sync::mpsc;
use tower::layer::layer_fn;

const POOL: PoolOptions = pool(4, 100);

/// A layer that notes when requests come by.
#[derive(Clone)]
struct Noted<S>(S, &'static str, Arc<Mutex<Vec<&'static str>>>);

impl<S: tower::Service<Request>> tower::Service<Request> for Noted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.2.lock().push(self.1);
        self.0.call(request)
    }
}

#[tokio::test]
async fn layers_are_passed_in_the_order_they_were_added() {
    let notes = Arc::<Mutex<Vec<_>>>::default();
    let [outer, inner] = ["outer", "inner"].map(|name| {
        let notes = Arc::clone(&notes);
        (name, notes)
    });
    let service = Service::new("Echo", "rpcdemo.Echo")
        .raw("Before", |_, body| async move { Ok(body) })
        .layer(layer_fn(move |next| {
            Noted(next, outer.0, Arc::clone(&outer.1))
        }))
        .layer(layer_fn(move |next| {
            Noted(next, inner.0, Arc::clone(&inner.1))
        }))
        .raw("Echo", |_, body| async move { Ok(body) });
    let (_server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    peer.call(&head(1, "/rpcdemo.Echo/Before", 4), b"").await;
    assert!(notes.lock().is_empty());
    peer.call(&head(2, ECHO, 4), b"").await;
    assert_eq!(*notes.lock(), ["outer", "inner"]);
}

#[tokio::test]
async fn who_may_not_call_is_told_code_41_and_the_handler_is_not_called() {
    let allow = |context: &Context| match context.metadata().get("token") {
        Some(token) if token == "open sesame" => Ok(()),
        _ => Err(Failure::framework(Code::SERVER_AUTH, "say the word")),
    };
    let (called, mut calls) = mpsc::unbounded_channel();
    let service = Service::new("Echo", "rpcdemo.Echo").layer(auth(allow)).raw(
        "Echo",
        move |_, body: Bytes| {
            called.send(body.clone()).unwrap();
            async move { Ok(body) }
        },
    );
    let (server, addr) = start(service.pooled(POOL)).await;
    let mut peer = Peer::connect(addr).await;
    let reply = peer.call(&head(1, ECHO, 4), b"thief").await;
    assert_eq!(
        (reply.head.ret, &reply.head.error_msg[..]),
        (41, &b"say the word"[..])
    );
    let known = RequestProtocol {
        trans_info: [("token".to_owned(), Bytes::from_static(b"open sesame"))].into(),
        ..head(2, ECHO, 4)
    };
    assert_eq!(peer.call(&known, b"friend").await.body, b"friend");
    assert_eq!(calls.recv().await.unwrap(), "friend");
    assert_eq!(server.stats().errors, [(41, 1)].into());
}

#[tokio::test]
async fn who_has_waited_too_long_is_told_code_22_at_its_turn() {
    // Longer than this thread ever stands still.
    let limit = Duration::from_secs(10);
    let service = Service::new("Echo", "rpcdemo.Echo").pooled(pool(1, 10));
    let (service, gate, mut starts) = gated(service.timeout(LONG));
    let service = service
        .layer(ShedLateLayer(limit))
        .raw("Echo", |_, body| async move { Ok(body) });
    let (server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    let wait = rpc_peer::request(&head(1, WAIT, 4), b"");
    peer.send(&[wait, rpc_peer::request(&head(2, ECHO, 4), b"late")].concat())
        .await;
    starts.recv().await.unwrap();
    until(|| server.stats().accepted == 2).await;
    // It waits for too long.
    tokio::time::pause();
    tokio::time::advance(2 * limit).await;
    tokio::time::resume();
    gate.add_permits(1);
    assert_eq!(peer.reply().await.id, 1);
    let shed = peer.reply().await;
    assert_eq!((shed.id, shed.head.ret), (2, 22));
    // One that finds the worker free goes on.
    assert_eq!(peer.call(&head(3, ECHO, 4), b"on").await.body, b"on");
}

#[tokio::test]
async fn the_method_of_any_name_takes_what_no_other_does() {
    let named = |context: Context, _| async move { Ok(context.method().to_owned().into()) };
    for service in both(echo, POOL) {
        let service = service
            .raw("*", named)
            .method_timeout("*", Duration::from_secs(60));
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for name in ["/rpcdemo.Echo/Other", "/nobody/home", "", "*"] {
            assert_eq!(
                peer.call(&head(1, name, 4), b"x").await.body,
                name.as_bytes()
            );
        }
        assert_eq!(peer.call(&head(2, ECHO, 4), b"own").await.body, b"own");
    }
}

/// Id and seconds left, as a handler sees them.
fn seen(context: &Context) -> Bytes {
    format!("{} {}", context.request_id(), context.remaining().as_secs()).into()
}

#[tokio::test]
async fn id_and_deadline_go_along_to_tasks_and_calls() {
    let back = echo()
        .timeout(Duration::from_secs(7200))
        .raw("Seen", |context, _| async move { Ok(seen(&context)) });
    let (_back, addr) = start(back).await;
    let client = Client::new(addr, ClientOptions::default());
    let front = Service::new("Front", "rpcdemo.Front")
        .timeout(Duration::from_secs(3600))
        .layer(CarriedLayer)
        .raw("Ask", move |context, _| {
            let client = client.clone();
            async move {
                let group = Group::<String>::new();
                let (tell, told) = tokio::sync::oneshot::channel();
                group.spawn(async move {
                    // A day, if the request had not less.
                    let options = CallOptions {
                        timeout: Duration::from_secs(86_400),
                        ..CallOptions::default()
                    };
                    let method = "/rpcdemo.Echo/Seen";
                    let call = client.call_raw(method, ContentType::RAW, Bytes::new(), &options);
                    let seen = call.await.map_err(|error| error.to_string())?;
                    tell.send(seen).map_err(|_| "nobody asks".to_owned())
                });
                group
                    .wait()
                    .await
                    .map_err(|error| Failure::business(1, format!("{error:?}")))?;
                let there = told.await.expect("it was told");
                let there = String::from_utf8_lossy(&there).into_owned();
                Ok(format!("{} {there}", context.request_id()).into())
            }
        });
    let (_front, addr) = start(front.pooled(POOL)).await;
    let mut peer = Peer::connect(addr).await;
    let own = "0190b1f2-7d3c-7aaa-8bbb-123456789abc";
    for id in [None, Some(own)] {
        let meta = id.map(|id| ("request-id".to_owned(), Bytes::from_static(id.as_bytes())));
        let head = RequestProtocol {
            trans_info: meta.into_iter().collect(),
            ..head(1, "/rpcdemo.Front/Ask", 4)
        };
        let reply = String::from_utf8(peer.call(&head, b"").await.body).unwrap();
        let words: Vec<_> = reply.split(' ').collect();
        let [here, there, seconds] = words[..] else {
            panic!("{reply:?}")
        };
        assert_eq!(here, there);
        assert!(id.is_none_or(|id| id == here), "{here}");
        let seconds: u64 = seconds.parse().unwrap();
        assert!((3000..3600).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn a_call_in_a_request_whose_time_is_over_is_not_sent() {
    let (server, addr) = start(echo()).await;
    let client = Client::new(addr, ClientOptions::default());
    let over = errgroup::Context::new("late").until(std::time::Instant::now());
    let options = CallOptions::default();
    let call = client.call_raw(ECHO, ContentType::RAW, Bytes::new(), &options);
    let error = over.run(call).await.unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_TIMEOUT);
    assert_eq!(server.stats().accepted, 0);
}
