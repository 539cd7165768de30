//! What `alarm.Notify` tells, and what not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

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

/// Fails so many times, then delivers.
struct Flaky {
    failures: AtomicU32,
}

impl Channel for Flaky {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn deliver(&self, _: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let fails = self
            .failures
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        let result = if fails.is_ok() {
            Err(DeliveryError::Timeout)
        } else {
            Ok(())
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

/// A notifier for one policy, whose webhook fails so many times.
fn notifier(
    channels: &[ChannelKind],
    shield: ShieldTimeType,
    failures: u32,
) -> (Notifier, Arc<Memory>) {
    let mut builder = StoreBuilder::default();
    builder.add(&spec(channels, shield));
    let memory = Arc::new(Memory::new(10));
    let flaky = Flaky {
        failures: failures.into(),
    };
    let all: Vec<Arc<dyn Channel>> = vec![Arc::new(flaky), Arc::clone(&memory) as _];
    let options = NotifyOptions {
        dedup_window: Duration::from_secs(60),
        fan_out: 1,
    };
    (
        Notifier::new(Arc::new(builder.finish()), &options, all),
        memory,
    )
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
    let (notifier, memory) = notifier(&BOTH, ShieldTimeType::Invalid, u32::MAX);
    let reply = notifier.notify(vec![alarm(0, FIRING)], 0).await;
    assert_eq!(
        reply,
        NotifyReply {
            told: 1,
            ..NotifyReply::default()
        }
    );
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 0, 1), (ChannelKind::Memory, 1, 0)]
    );
    let last = memory.last();
    assert_eq!(
        (last.len(), &*last[0].condition, &*last[0].state),
        (1, "> 90", "firing")
    );
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_fails_at_first_is_tried_again() {
    let (notifier, _) = notifier(&BOTH, ShieldTimeType::Invalid, 2);
    notifier.notify(vec![alarm(0, FIRING)], 0).await;
    assert_eq!(
        deliveries(&notifier),
        [(ChannelKind::Webhook, 1, 0), (ChannelKind::Memory, 1, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_told_is_told_when_it_comes_again() {
    let (notifier, _) = notifier(&[ChannelKind::Webhook], ShieldTimeType::Invalid, 3);
    let reply = notifier.notify(vec![alarm(0, FIRING)], 0).await;
    assert_eq!(
        reply,
        NotifyReply {
            failed: 1,
            ..NotifyReply::default()
        }
    );
    let reply = notifier.notify(vec![alarm(0, FIRING)], 1_000).await;
    assert_eq!(
        reply,
        NotifyReply {
            told: 1,
            ..NotifyReply::default()
        }
    );
}

#[tokio::test]
async fn duplicates_shielded_and_unknown_alarms_are_counted_and_not_told() {
    let (open, memory) = notifier(&BOTH, ShieldTimeType::Invalid, 0);
    let alarms = vec![alarm(0, FIRING), alarm(0, FIRING), alarm(7, FIRING)];
    let reply = open.notify(alarms, 0).await;
    assert_eq!(
        reply,
        NotifyReply {
            told: 1,
            duplicates: 1,
            failed: 1,
            shielded: 0
        }
    );
    open.notify(vec![alarm(0, AlarmState::Recovered)], 1).await;
    assert_eq!(memory.last().len(), 2, "a recovery is no duplicate");

    let (shielded, memory) = notifier(&BOTH, ShieldTimeType::Forever, 0);
    let reply = shielded.notify(vec![alarm(0, FIRING)], 0).await;
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
    let (notifier, memory) = notifier(&BOTH, ShieldTimeType::Invalid, 0);
    let of = |product: String, instance: &str| {
        let mut alarm = alarm(0, FIRING);
        let point = alarm.point.as_mut().unwrap();
        (point.product, point.instance) = (product, instance.to_owned());
        alarm
    };
    let cvm = || "cvm".to_owned();
    // The third is one of the first again.
    let alarms = vec![of(cvm(), "a"), of(cvm(), "b"), of(cvm(), "a")];
    assert_eq!(notifier.notify(alarms, 0).await.told, 2);
    let told = notifier.figures().told;
    assert_eq!(told, [(cvm(), 2)].into());

    let many = (0..100).map(|nth| of(format!("made up {nth}"), &format!("c{nth}")));
    assert_eq!(notifier.notify(many.collect(), 0).await.told, 100);
    let told = notifier.figures().told;
    assert_eq!(told.values().sum::<u64>(), 102);
    assert_eq!((told.len(), told["others"], told["cvm"]), (65, 37, 2));
    // More than memory keeps.
    assert_eq!(memory.last().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_accounted_for_when_the_caller_goes_away() {
    let (notifier, _) = notifier(&BOTH, ShieldTimeType::Invalid, 1);
    {
        let mut notify = std::pin::pin!(notifier.notify(vec![alarm(0, FIRING)], 0));
        // Until the first delivery failed, and the pause before the second try.
        assert!(futures::poll!(&mut notify).is_pending());
    }
    // Every delivery ends, well or not.
    while notifier
        .figures()
        .channels
        .iter()
        .any(|channel| channel.open > 0)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ended: u64 = deliveries(&notifier)
        .iter()
        .map(|(_, done, failed)| done + failed)
        .sum();
    assert_eq!(ended, 2);
}

/// A notifier whose webhook posts to this address.
fn posting_to(addr: std::net::SocketAddr) -> (Notifier, Arc<Memory>) {
    let mut builder = StoreBuilder::default();
    builder.add(&spec(&BOTH, ShieldTimeType::Invalid));
    let memory = Arc::new(Memory::new(10));
    let target = format!("http://{addr}/").parse().unwrap();
    let webhook = Webhook::new(target, Duration::from_millis(50));
    let all: Vec<Arc<dyn Channel>> = vec![Arc::new(webhook), Arc::clone(&memory) as _];
    let options = NotifyOptions {
        dedup_window: Duration::from_secs(60),
        fan_out: 2,
    };
    (
        Notifier::new(Arc::new(builder.finish()), &options, all),
        memory,
    )
}

/// Tells an alarm; what became of it on the webhook.
async fn posted(notifier: &Notifier, memory: &Memory) -> (u64, u64) {
    let reply = notifier.notify(vec![alarm(0, FIRING)], 0).await;
    // The other channel took it, whatever the webhook does.
    assert_eq!((reply.told, reply.failed, memory.last().len()), (1, 0, 1));
    let deliveries = deliveries(notifier);
    assert_eq!(deliveries[1], (ChannelKind::Memory, 1, 0));
    (deliveries[0].1, deliveries[0].2)
}

#[tokio::test]
async fn a_webhook_that_is_down_costs_the_others_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let (notifier, memory) = posting_to(addr);
    assert_eq!(posted(&notifier, &memory).await, (0, 1));
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (notifier, memory) = posting_to(listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.unwrap());
        }
    });
    assert_eq!(posted(&notifier, &memory).await, (0, 1));
    silent.abort();
}

#[tokio::test]
async fn a_webhook_that_flaps_gets_it_when_it_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (notifier, memory) = posting_to(listener.local_addr().unwrap());
    let flapping = tokio::spawn(async move {
        // Closed on the first, an error to the second, taken by the third.
        drop(listener.accept().await.unwrap());
        for answer in ["503 Service Unavailable", "204 No Content"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}]") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    assert_eq!(posted(&notifier, &memory).await, (1, 0));
    flapping.await.unwrap();
}

/// Delivers when it is let, and counts what it closed.
struct Gated {
    gate: Arc<tokio::sync::Semaphore>,
    begun: tokio::sync::mpsc::UnboundedSender<()>,
    closed: Arc<AtomicU32>,
}

impl Channel for Gated {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn deliver(&self, _: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async {
            self.begun.send(()).unwrap();
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
async fn who_stops_waits_for_deliveries_whose_caller_has_gone_and_then_closes_each_channel() {
    let mut builder = StoreBuilder::default();
    builder.add(&spec(&[ChannelKind::Webhook], ShieldTimeType::Invalid));
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let gated = Gated {
        gate: Arc::new(tokio::sync::Semaphore::new(0)),
        begun,
        closed: Arc::default(),
    };
    let (gate, closed) = (Arc::clone(&gated.gate), Arc::clone(&gated.closed));
    let options = NotifyOptions {
        dedup_window: Duration::from_secs(60),
        fan_out: 2,
    };
    let memory = Arc::new(Memory::new(1));
    let notifier = Notifier::new(
        Arc::new(builder.finish()),
        &options,
        vec![Arc::new(gated), memory],
    );
    let notifier = Arc::new(notifier);
    notifier.delivered().await;

    let telling = Arc::clone(&notifier);
    let caller =
        tokio::spawn(async move { telling.notify(vec![alarm(0, AlarmState::Firing)], 0).await });
    begins.recv().await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    let mut delivered = std::pin::pin!(notifier.delivered());
    assert!(futures::poll!(delivered.as_mut()).is_pending());
    gate.add_permits(1);
    delivered.await;
    let webhook = notifier.figures().channels[0];
    assert_eq!((webhook.delivered, webhook.open), (1, 0));
    let error = notifier.close().await.unwrap_err();
    assert!(matches!(error, DeliveryError::Timeout));
    assert_eq!(closed.load(Relaxed), 1);
}
