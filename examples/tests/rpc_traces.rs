//! A request is a span of its caller's trace, and what it does for it says so.

mod rpc_peer;

use bytes::Bytes;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::server::filter::CarriedLayer;
use rpc_demo::server::{Context, Failure, Service};
use rpc_demo::traceparent::TraceParent;
use rpc_demo::wire::{ContentType, RequestProtocol};
use rpc_peer::{Peer, echo, head, pool, start};

const ID: &str = "0190b1f2-7d3c-7aaa-8bbb-123456789abc";
const TOLD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const ASK: &str = "/rpcdemo.Front/Ask";
const SEEN: &str = "/rpcdemo.Echo/Seen";

/// Id, span and parent, as a handler sees them.
fn seen(context: &Context) -> String {
    let parent = context.parent().map(|parent| parent.to_string());
    let parent = parent.unwrap_or_else(|| "none".to_owned());
    format!("{} {} {parent}", context.request_id(), context.span())
}

/// What two services saw, one of which calls the other, when the first is told this.
async fn seen_by_both(
    meta: &[(&str, &'static str)],
) -> [(String, TraceParent, Option<TraceParent>); 2] {
    let back = echo().raw(
        "Seen",
        |context, _| async move { Ok(seen(&context).into()) },
    );
    let (_back, addr) = start(back).await;
    let client = Client::new(addr, ClientOptions::default());
    let front = Service::new("Front", "rpcdemo.Front")
        .layer(CarriedLayer)
        .pooled(pool(1, 1))
        .raw("Ask", move |context, _| {
            let client = client.clone();
            async move {
                let options = CallOptions::default();
                let there = client.call_raw(SEEN, ContentType::RAW, Bytes::new(), &options);
                let there = there
                    .await
                    .map_err(|error| Failure::business(1, error.to_string()))?;
                let there = String::from_utf8_lossy(&there).into_owned();
                Ok(format!("{} {there}", seen(&context)).into())
            }
        });
    let (_front, addr) = start(front).await;
    let meta = meta
        .iter()
        .map(|(key, said)| ((*key).to_owned(), Bytes::from_static(said.as_bytes())));
    let head = RequestProtocol {
        trans_info: meta.collect(),
        ..head(1, ASK, 4)
    };
    let reply = Peer::connect(addr).await.call(&head, b"").await;
    let reply = String::from_utf8(reply.body).unwrap();
    let words: Vec<_> = reply.split(' ').collect();
    let [front, back] = [&words[..3], &words[3..]];
    [front, back].map(|of| (of[0].to_owned(), of[1].parse().unwrap(), of[2].parse().ok()))
}

#[tokio::test]
async fn a_request_is_a_span_of_its_callers_trace_and_the_parent_of_the_calls_it_makes() {
    let told: TraceParent = TOLD.parse().unwrap();
    for (meta, id, parent) in [
        (&[][..], None, None),
        (&[("request-id", ID)][..], Some(ID), None),
        (
            &[("traceparent", TOLD)],
            Some("4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
            Some(told),
        ),
        (
            &[("request-id", ID), ("traceparent", TOLD)],
            Some(ID),
            Some(told),
        ),
        (
            &[("request-id", ID), ("traceparent", "00-0-0-0")],
            Some(ID),
            None,
        ),
    ] {
        let [front, back] = seen_by_both(meta).await;
        assert_eq!(front.0, back.0, "{meta:?}");
        assert!(id.is_none_or(|id| id == front.0), "{front:?}");
        assert_eq!(front.2, parent);
        assert_eq!(back.2, Some(front.1));
        assert_ne!(front.1.span, back.1.span);
        assert_eq!(back.1.trace, front.1.trace);
        match parent {
            // Whether it is recorded is its caller's to say.
            Some(parent) => assert_eq!(front.1, parent.child(front.1.span)),
            None => assert_eq!(front.1.trace.to_string(), front.0),
        }
    }
}

#[tokio::test]
async fn two_requests_with_one_id_are_two_spans() {
    let service = echo().raw(
        "Seen",
        |context, _| async move { Ok(seen(&context).into()) },
    );
    let (_server, addr) = start(service).await;
    let mut peers = [Peer::connect(addr).await, Peer::connect(addr).await];
    let mut spans = Vec::new();
    for id in 1..=2 {
        for peer in &mut peers {
            let mut head = head(id, SEEN, 4);
            head.trans_info = [("request-id".to_owned(), ID.into())].into();
            let seen = String::from_utf8(peer.call(&head, b"").await.body).unwrap();
            spans.push(seen.split(' ').nth(1).unwrap().to_owned());
        }
    }
    spans.sort_unstable();
    spans.dedup();
    assert_eq!(spans.len(), 4, "{spans:?}");
}
