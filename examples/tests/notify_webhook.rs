//! A webhook that is down, hangs or flaps gets what it is to be told, over real sockets.

mod address;
mod notifier;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use address::address;
use notifier::{BOTH, FIRING, OPEN, alarm, deliveries, notifier_with, spec, taken, until};
use rpc_demo::alarm::channel::Memory;
use rpc_demo::alarm::message::{Alarm, Point};
use rpc_demo::alarm::notify::{Notifier, NotifyOptions};
use rpc_demo::alarm::policy::ChannelKind;
use rpc_demo::alarm::webhook::{Receiver, Webhook};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A notifier whose webhook posts to this address, and waits so long for an answer.
fn posting_to(addr: std::net::SocketAddr, patience: Duration) -> (Arc<Notifier>, Arc<Memory>) {
    let target = format!("http://{addr}/").parse().unwrap();
    let webhook = Webhook::new(target, patience);
    let options = NotifyOptions {
        give_up: Duration::from_secs(600),
        ..NotifyOptions::default()
    };
    notifier_with(webhook, &options, &spec(&BOTH, OPEN))
}

const SPAN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const LONG: Duration = Duration::from_secs(60);

/// Tells an alarm while this goes on; it is delivered by both channels.
async fn posted(notifier: &Notifier, meanwhile: impl Future<Output = ()>) {
    let firing = Alarm {
        request_id: "request 7".into(),
        traceparent: SPAN.into(),
        ..alarm(0, FIRING)
    };
    assert_eq!(notifier.notify(vec![firing], 0), taken(1));
    let meanwhile = async {
        meanwhile.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = meanwhile => {}
        () = notifier.delivered() => {}
    }
    assert_eq!(
        deliveries(notifier),
        [(ChannelKind::Webhook, 1, 0), (ChannelKind::Memory, 1, 0)]
    );
}

/// Answers the next request, which is told. One whose sender gives up before it has come
/// whole is none: it comes again.
async fn answer(listener: &TcpListener, status: &str) -> String {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}]")
            && stream
                .read_buf(&mut request)
                .await
                .is_ok_and(|read| read > 0)
        {}
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        if request.ends_with(b"}]") && stream.write_all(answer.as_bytes()).await.is_ok() {
            return String::from_utf8(request).unwrap();
        }
    }
}

#[tokio::test]
async fn a_webhook_that_is_down_gets_it_when_it_is_back() {
    let addr = address();
    let (notifier, memory) = posting_to(addr, LONG);
    let restarted = async {
        // The other channel has it, whatever the webhook does.
        until(|| memory.last().len() == 1).await;
        let listener = TcpListener::bind(addr).await.unwrap();
        answer(&listener, "204 No Content").await;
    };
    posted(&notifier, restarted).await;
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let short = Duration::from_millis(50);
    let (notifier, memory) = posting_to(listener.local_addr().unwrap(), short);
    let silent = async {
        let mut kept = Vec::new();
        for _ in 0..5 {
            kept.push(listener.accept().await.unwrap());
        }
        assert_eq!(memory.last().len(), 1);
        // The answer, too, may be too late for some.
        loop {
            answer(&listener, "204 No Content").await;
        }
    };
    posted(&notifier, silent).await;
}

#[tokio::test]
async fn a_webhook_that_flaps_gets_it_when_it_is_up_with_the_id_and_span_of_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (notifier, _) = posting_to(listener.local_addr().unwrap(), LONG);
    let flapping = async {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
            answer(&listener, "503 Service Unavailable").await;
        }
        let request = answer(&listener, "204 No Content").await;
        for said in [
            "\r\nx-request-id: request 7\r\n",
            &format!("\r\ntraceparent: {SPAN}\r\n"),
            "\"request_id\":\"request 7\"",
            &format!("\"traceparent\":\"{SPAN}\""),
        ] {
            assert!(request.contains(said), "no {said} in {request}");
        }
    };
    posted(&notifier, flapping).await;
}

#[tokio::test]
async fn what_the_receiver_finds_too_long_goes_in_parts_and_only_what_is_so_alone_is_given_up() {
    const MIB: usize = 1 << 20;
    // It takes two of them at once.
    let receiver = Receiver::start().await.unwrap();
    let webhook = Webhook::new(receiver.target(), LONG);
    let options = NotifyOptions::default();
    let (notifier, _) = notifier_with(webhook, &options, &spec(&BOTH, OPEN));
    let named = |length: usize, name: &str| Alarm {
        point: Some(Point {
            instance: name.repeat(length),
            ..alarm(0, FIRING).point.unwrap()
        }),
        ..alarm(0, FIRING)
    };
    let mut alarms: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|name| named(MIB / 2, name))
        .into();
    alarms.insert(2, named(3 * MIB, "f"));
    assert_eq!(notifier.notify(alarms, 0), taken(6));
    notifier.delivered().await;
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 5, 1), (ChannelKind::Memory, 6, 0)]
    );
    assert_eq!(receiver.received().load(Relaxed), 5);
}
