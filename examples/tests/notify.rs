//! What `alarm.Notify` tells, and what not.

mod notifier;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use axum::http::StatusCode;
use futures::future::BoxFuture;
use notifier::{
    BOTH, FIRING, Gated, OPEN, alarm, deliveries, notifier_with, spec, taken, told, until,
};
use rpc_demo::alarm::channel::{Batch, Channel, DeliveryError, Memory};
use rpc_demo::alarm::message::{Alarm, AlarmState, NotifyReply};
use rpc_demo::alarm::notify::{Notifier, NotifyOptions};
use rpc_demo::alarm::policy::ChannelKind;
use rpc_demo::alarm::shield::ShieldTimeType;

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

fn notifier(
    channels: &[ChannelKind],
    shield: ShieldTimeType,
    webhook: Flaky,
) -> (Arc<Notifier>, Arc<Memory>) {
    notifier_with(webhook, &NotifyOptions::default(), &spec(channels, shield))
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
