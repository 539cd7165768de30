//! The end of `alarm.Notify`: what was taken is waited for, then each channel is closed.

mod notifier;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use notifier::{FIRING, Gated, OPEN, alarm, deliveries, notifier_with, spec};
use rpc_demo::alarm::channel::DeliveryError;
use rpc_demo::alarm::notify::NotifyOptions;
use rpc_demo::alarm::policy::ChannelKind;

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
