//! A notifier for one policy, and channels to try it with.
#![allow(dead_code, unused_imports)] // each test file uses a part of it

#[path = "../until/mod.rs"]
mod until;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use futures::future::BoxFuture;
use rpc_demo::alarm::channel::{Batch, Channel, DeliveryError, Memory};
use rpc_demo::alarm::message::{Alarm, AlarmState, NotifyReply, Point};
use rpc_demo::alarm::notify::{Notifier, NotifyOptions};
use rpc_demo::alarm::policy::{ChannelKind, Comparison, Level, PolicySpec};
use rpc_demo::alarm::shield::{Shield, ShieldTimeType};
use rpc_demo::alarm::store::StoreBuilder;
use tokio::sync::{Semaphore, mpsc};

pub use until::until;

pub fn spec(channels: &[ChannelKind], kind: ShieldTimeType) -> PolicySpec {
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
pub fn notifier_with(
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

pub const OPEN: ShieldTimeType = ShieldTimeType::Invalid;

/// Has it told these, and waits until each channel has delivered or given up.
pub async fn told(notifier: &Notifier, alarms: Vec<Alarm>, now_ms: u64) -> NotifyReply {
    let reply = notifier.notify(alarms, now_ms);
    notifier.delivered().await;
    reply
}

pub fn taken(taken: u32) -> NotifyReply {
    NotifyReply {
        taken,
        ..NotifyReply::default()
    }
}

pub fn alarm(policy: u32, state: AlarmState) -> Alarm {
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

pub const BOTH: [ChannelKind; 2] = [ChannelKind::Webhook, ChannelKind::Memory];
pub const FIRING: AlarmState = AlarmState::Firing;

/// Delivered and failed, by channel.
pub fn deliveries(notifier: &Notifier) -> Vec<(ChannelKind, u64, u64)> {
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

/// Delivers when it is let, and counts what it closed.
pub struct Gated {
    gate: Arc<Semaphore>,
    begun: mpsc::UnboundedSender<()>,
    pub closed: Arc<AtomicU32>,
}

impl Gated {
    pub fn new() -> (Self, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
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
