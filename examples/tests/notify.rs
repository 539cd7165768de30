//! What `alarm.Notify` tells, and what not.

mod address;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use address::address;
use axum::http::StatusCode;
use futures::future::BoxFuture;
use rpc_demo::alarm::channel::{Batch, Channel, DeliveryError, Memory};
use rpc_demo::alarm::message::{Alarm, AlarmState, NotifyReply, Point};
use rpc_demo::alarm::notify::{Notifier, NotifyOptions};
use rpc_demo::alarm::policy::{ChannelKind, Comparison, Level, PolicySpec};
use rpc_demo::alarm::shield::{Shield, ShieldTimeType};
use rpc_demo::alarm::store::StoreBuilder;
use rpc_demo::alarm::webhook::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

/// Fails so many times, then delivers.
struct Flaky {
    failures: Arc<AtomicU32>,
    tries: Arc<AtomicU32>,
    error: fn() -> DeliveryError,
}

impl Flaky {
    fn new(failures: u32) -> Self {
        Self {
            failures: Arc::new(failures.into()),
            tries: Arc::default(),
            error: || DeliveryError::Timeout,
        }
    }
}

impl Channel for Flaky {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn deliver(&self, _: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        self.tries.fetch_add(1, Relaxed);
        let fails = self
            .failures
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        let result = match fails {
            Ok(_) => Err((self.error)()),
            Err(_) => Ok(()),
        };
        Box::pin(std::future::ready(result))
    }
}

fn spec(channels: &[ChannelKind], kind: ShieldTimeType) -> PolicySpec {
    PolicySpec {
        region: "gz".into(),
        product: "cvm".into(),
        metric: "cpu".into(),
        instance: None,
        comparison: Comparison::Above,
        threshold: 90.0,
        periods: std::num::NonZeroU8::MIN,
        level: Level::Critical,
        channels: channels.to_vec(),
        shield: Shield {
            kind,
            from: 0,
            to: 0,
        },
    }
}

/// A notifier for one policy, with this webhook and a memory.
fn notifier_with(
    webhook: impl Channel + 'static,
    options: &NotifyOptions,
    spec: &PolicySpec,
) -> (Arc<Notifier>, Arc<Memory>) {
    let mut builder = StoreBuilder::default();
    builder.add(spec);
    let memory = Arc::new(Memory::new(10));
    let all: Vec<Arc<dyn Channel>> = vec![Arc::new(webhook), Arc::clone(&memory) as _];
    let notifier = Notifier::new(Arc::new(builder.finish()), options, all);
    (Arc::new(notifier), memory)
}

fn notifier(
    channels: &[ChannelKind],
    shield: ShieldTimeType,
    webhook: Flaky,
) -> (Arc<Notifier>, Arc<Memory>) {
    notifier_with(webhook, &NotifyOptions::default(), &spec(channels, shield))
}

const OPEN: ShieldTimeType = ShieldTimeType::Invalid;

/// Has it told these, and waits until each channel has delivered or given up.
async fn told(notifier: &Notifier, alarms: Vec<Alarm>, now_ms: u64) -> NotifyReply {
    let reply = notifier.notify(alarms, now_ms);
    notifier.delivered().await;
    reply
}

fn taken(taken: u32) -> NotifyReply {
    NotifyReply {
        taken,
        ..NotifyReply::default()
    }
}

fn alarm(policy: u32, state: AlarmState) -> Alarm {
    let point = Point {
        instance: "a".into(),
        value: 95.0,
        ..Point::default()
    };
    Alarm {
        policy,
        point: Some(point),
        state: state.into(),
        ..Alarm::default()
    }
}

const BOTH: [ChannelKind; 2] = [ChannelKind::Webhook, ChannelKind::Memory];
const FIRING: AlarmState = AlarmState::Firing;

/// Delivered and failed, by channel.
fn deliveries(notifier: &Notifier) -> Vec<(ChannelKind, u64, u64)> {
    let figures = notifier.figures();
    assert!(
        figures.channels.iter().all(|channel| channel.open == 0),
        "{figures:?}"
    );
    figures
        .channels
        .iter()
        .map(|c| (c.kind, c.delivered, c.failed))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_channel_does_not_lose_the_others_deliveries() {
    let (notifier, memory) = notifier(&BOTH, OPEN, Flaky::new(u32::MAX));
    assert_eq!(told(&notifier, vec![alarm(0, FIRING)], 0).await, taken(1));
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 0, 1), (ChannelKind::Memory, 1, 0)]
    );
    let last = memory.last();
    assert_eq!(
        (last.len(), &*last[0].condition, &*last[0].state),
        (1, "> 90", "firing")
    );
    assert_eq!(notifier.figures().untold, 0);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_fails_for_a_minute_is_told_after_it() {
    let webhook = Flaky::new(60);
    let tries = Arc::clone(&webhook.tries);
    let (notifier, _) = notifier(&BOTH, OPEN, webhook);
    told(&notifier, vec![alarm(0, FIRING)], 0).await;
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 1, 0), (ChannelKind::Memory, 1, 0)]
    );
    assert_eq!(tries.load(Relaxed), 61);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_told_is_told_when_it_comes_again() {
    let webhook = Flaky::new(u32::MAX);
    let failures = Arc::clone(&webhook.failures);
    let (notifier, _) = notifier(&[ChannelKind::Webhook], OPEN, webhook);
    let firing = || vec![alarm(0, FIRING)];
    assert_eq!(notifier.notify(firing(), 0), taken(1));
    // While it is being told, it is no news.
    assert_eq!(notifier.notify(firing(), 1).duplicates, 1);
    notifier.delivered().await;
    let figures = notifier.figures();
    assert_eq!((figures.untold, figures.told), (1, [].into()));
    failures.store(0, Relaxed);
    assert_eq!(told(&notifier, firing(), 2).await, taken(1));
    let figures = notifier.figures();
    assert_eq!(
        (figures.untold, figures.told),
        (1, [(String::new(), 1)].into())
    );
    assert_eq!(notifier.notify(firing(), 3).duplicates, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_refuses_for_good_is_not_sent_again() {
    for (status, tries) in [
        (StatusCode::BAD_REQUEST, 1),
        (StatusCode::TOO_MANY_REQUESTS, 2),
        (StatusCode::BAD_GATEWAY, 2),
    ] {
        let mut webhook = Flaky::new(1);
        webhook.error = match status {
            StatusCode::BAD_REQUEST => || DeliveryError::Refused(StatusCode::BAD_REQUEST),
            StatusCode::BAD_GATEWAY => || DeliveryError::Refused(StatusCode::BAD_GATEWAY),
            _ => || DeliveryError::Refused(StatusCode::TOO_MANY_REQUESTS),
        };
        let tried = Arc::clone(&webhook.tries);
        let (notifier, _) = notifier(&BOTH, OPEN, webhook);
        told(&notifier, vec![alarm(0, FIRING)], 0).await;
        assert_eq!(tried.load(Relaxed), tries, "{status}");
        let failed = u64::from(tries == 1);
        assert_eq!(deliveries(&notifier)[0].2, failed, "{status}");
    }
}

#[tokio::test]
async fn a_channel_without_room_loses_what_is_for_it_alone_and_says_so() {
    let (webhook, gate, mut begins) = Gated::new();
    let options = NotifyOptions {
        room: 2,
        ..NotifyOptions::default()
    };
    let (notifier, memory) = notifier_with(webhook, &options, &spec(&BOTH, OPEN));
    let of = |instance: &str| {
        let mut alarm = alarm(0, FIRING);
        alarm.point.as_mut().unwrap().instance = instance.into();
        alarm
    };
    // One at a time, so that the memory has room.
    for (nth, instance) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert_eq!(notifier.notify(vec![of(instance)], 0), taken(1));
        until(|| memory.last().len() == nth + 1).await;
    }
    let webhook = notifier.figures().channels[0];
    assert_eq!((webhook.open, webhook.failed, webhook.no_room), (2, 2, 2));
    begins.recv().await.unwrap();
    gate.add_permits(9);
    notifier.delivered().await;
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 2, 2), (ChannelKind::Memory, 4, 0)]
    );
    assert_eq!(notifier.figures().untold, 0);
}

#[tokio::test]
async fn what_finds_no_room_on_any_channel_is_no_duplicate_the_next_time() {
    let options = NotifyOptions {
        room: 0,
        ..NotifyOptions::default()
    };
    let (notifier, _) = notifier_with(Flaky::new(0), &options, &spec(&BOTH, OPEN));
    for untold in 1..3 {
        let reply = notifier.notify(vec![alarm(0, FIRING)], 0);
        assert_eq!((reply.failed, notifier.figures().untold), (1, untold));
    }
}

/// A call that was thought lost may come after the one that was made in its place.
#[tokio::test]
async fn a_state_that_comes_after_the_one_that_followed_it_is_not_the_last_word() {
    let (notifier, memory) = notifier(&BOTH, OPEN, Flaky::new(0));
    let states = [(AlarmState::Recovered, 2), (FIRING, 1)];
    let [recovered, firing] = states.map(|(state, sequence)| Alarm {
        sequence,
        ..alarm(0, state)
    });
    assert_eq!(told(&notifier, vec![recovered], 0).await, taken(1));
    assert_eq!(told(&notifier, vec![firing], 1).await.stale, 1);
    assert_eq!(memory.last().last().unwrap().state, "recovered");
    assert_eq!((memory.last().len(), notifier.figures().stale), (1, 1));
}

#[tokio::test]
async fn duplicates_shielded_and_unknown_alarms_are_counted_and_not_told() {
    let (open, memory) = notifier(&BOTH, OPEN, Flaky::new(0));
    let alarms = vec![alarm(0, FIRING), alarm(0, FIRING), alarm(7, FIRING)];
    let reply = told(&open, alarms, 0).await;
    assert_eq!(
        reply,
        NotifyReply {
            taken: 1,
            duplicates: 1,
            failed: 1,
            ..NotifyReply::default()
        }
    );
    told(&open, vec![alarm(0, AlarmState::Recovered)], 1).await;
    assert_eq!(memory.last().len(), 2, "a recovery is no duplicate");
    let figures = open.figures();
    assert_eq!((figures.alarms, figures.untellable), (4, 1));

    let (shielded, memory) = notifier(&BOTH, ShieldTimeType::Forever, Flaky::new(0));
    let reply = told(&shielded, vec![alarm(0, FIRING)], 0).await;
    assert_eq!(
        reply,
        NotifyReply {
            shielded: 1,
            ..NotifyReply::default()
        }
    );
    assert_eq!(memory.last(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_counted_by_product_and_not_more_of_them_than_a_page_holds() {
    let (notifier, memory) = notifier(&BOTH, OPEN, Flaky::new(0));
    let of = |product: String, instance: &str| {
        let mut alarm = alarm(0, FIRING);
        let point = alarm.point.as_mut().unwrap();
        (point.product, point.instance) = (product, instance.to_owned());
        alarm
    };
    let cvm = || "cvm".to_owned();
    // The third is one of the first again.
    let alarms = vec![of(cvm(), "a"), of(cvm(), "b"), of(cvm(), "a")];
    assert_eq!(told(&notifier, alarms, 0).await.taken, 2);
    let counted = notifier.figures().told;
    assert_eq!(counted, [(cvm(), 2)].into());

    let many = (0..100).map(|nth| of(format!("made up {nth}"), &format!("c{nth}")));
    assert_eq!(told(&notifier, many.collect(), 0).await.taken, 100);
    let counted = notifier.figures().told;
    assert_eq!(counted.values().sum::<u64>(), 102);
    let of = |product| counted[product];
    assert_eq!((counted.len(), of("others"), of("cvm")), (65, 37, 2));
    // More than memory keeps.
    assert_eq!(memory.last().len(), 10);
}

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

const LONG: Duration = Duration::from_secs(60);

/// Tells an alarm while this goes on; it is delivered by both channels.
async fn posted(notifier: &Notifier, meanwhile: impl Future<Output = ()>) {
    let firing = Alarm {
        request_id: "request 7".into(),
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
async fn a_webhook_that_flaps_gets_it_when_it_is_up_with_the_id_of_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (notifier, _) = posting_to(listener.local_addr().unwrap(), LONG);
    let flapping = async {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
            answer(&listener, "503 Service Unavailable").await;
        }
        let request = answer(&listener, "204 No Content").await;
        assert!(
            request.contains("\r\nx-request-id: request 7\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\"request_id\":\"request 7\""),
            "{request}"
        );
    };
    posted(&notifier, flapping).await;
}

/// Delivers when it is let, and counts what it closed.
struct Gated {
    gate: Arc<Semaphore>,
    begun: mpsc::UnboundedSender<()>,
    closed: Arc<AtomicU32>,
}

impl Gated {
    fn new() -> (Self, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
        let gate = Arc::new(Semaphore::new(0));
        let (begun, begins) = mpsc::unbounded_channel();
        let gated = Self {
            gate: Arc::clone(&gate),
            begun,
            closed: Arc::default(),
        };
        (gated, gate, begins)
    }
}

impl Channel for Gated {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn deliver(&self, _: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async {
            let _ = self.begun.send(());
            self.gate.acquire().await.unwrap().forget();
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), DeliveryError>> {
        self.closed.fetch_add(1, Relaxed);
        Box::pin(std::future::ready(Err(DeliveryError::Timeout)))
    }
}

#[tokio::test]
async fn who_stops_waits_for_what_was_taken_and_then_closes_each_channel() {
    let (gated, gate, mut begins) = Gated::new();
    let closed = Arc::clone(&gated.closed);
    let spec = spec(&[ChannelKind::Webhook], OPEN);
    let (notifier, _) = notifier_with(gated, &NotifyOptions::default(), &spec);
    notifier.delivered().await;

    notifier.notify(vec![alarm(0, FIRING)], 0);
    begins.recv().await.unwrap();
    {
        let mut delivered = std::pin::pin!(notifier.delivered());
        assert!(futures::poll!(delivered.as_mut()).is_pending());
        gate.add_permits(1);
        delivered.await;
    }
    assert_eq!(deliveries(&notifier)[0], (ChannelKind::Webhook, 1, 0));
    let error = notifier.close().await.unwrap_err();
    assert!(matches!(error, DeliveryError::Timeout));
    assert_eq!(closed.load(Relaxed), 1);
}

#[tokio::test]
async fn who_stops_without_waiting_is_told_what_was_not_delivered() {
    let (gated, gate, mut begins) = Gated::new();
    let spec = spec(&[ChannelKind::Webhook], OPEN);
    let (notifier, _) = notifier_with(gated, &NotifyOptions::default(), &spec);
    notifier.notify(vec![alarm(0, FIRING)], 0);
    begins.recv().await.unwrap();
    notifier.close().await.unwrap_err();
    gate.add_permits(1);
    // Who delivered has gone with its channel.
    tokio::task::yield_now().await;
    let webhook = notifier.figures().channels[0];
    assert_eq!((webhook.open, webhook.delivered, webhook.failed), (1, 0, 0));
}

/// Waits for what others do.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
