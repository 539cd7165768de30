//! Telling people: convert, drop what is shielded or was told, fan out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use errgroup::Group;
use futures::channel::oneshot;
use parking_lot::Mutex;
use strum::IntoEnumIterator;
use tokio::sync::Notify;

use super::channel::{Batch, Channel, DeliveryError, Notification};
use super::dedup::{AlarmKey, Dedup};
use super::message::{Alarm, NotifyReply};
use super::policy::{ChannelKind, ChannelSet, Instance};
use super::store::PolicyStore;
use crate::sampled;

/// How often a channel is tried with a batch, and the pause before the second
/// try, which doubles with each.
const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// So many products are counted each by itself: who calls may name any.
const MOST_PRODUCTS: usize = 64;
/// What the others are counted as.
const OTHER_PRODUCTS: &str = "others";

/// How the notifier tells people.
#[derive(Clone, Copy, Debug)]
pub struct NotifyOptions {
    /// The same state of the same alarm is told once in this time.
    pub dedup_window: Duration,
    /// How many channels one call tells at a time.
    pub fan_out: usize,
}

/// What became of the deliveries to one channel.
#[derive(Debug, Default)]
struct ChannelCount {
    begun: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// Told whenever a delivery has ended.
    ended: Notify,
}

impl ChannelCount {
    /// Neither delivered nor given up.
    fn open(&self) -> u64 {
        // The ends before the beginnings, so that it is never below zero.
        let ended = self.delivered.load(Relaxed) + self.failed.load(Relaxed);
        self.begun.load(Relaxed).saturating_sub(ended)
    }

    async fn all_ended(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From here on an end is not missed: it is counted before it is told.
            ended.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// What one channel did since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelFigures {
    /// Which channel.
    pub kind: ChannelKind,
    /// Notifications delivered.
    pub delivered: u64,
    /// Notifications given up after every try.
    pub failed: u64,
    /// Notifications neither delivered nor given up (yet).
    pub open: u64,
}

/// What the notifier did since the start.
#[derive(Clone, Debug, Default)]
pub struct NotifyFigures {
    /// Alarms taken in.
    pub alarms: u64,
    /// Kept back by a shield time.
    pub shielded: u64,
    /// Told already a short while ago.
    pub duplicates: u64,
    /// Of a policy that is not there, or with no channel that is there.
    pub untellable: u64,
    /// Alarms that were told on at least one channel, by product.
    pub told: BTreeMap<String, u64>,
    /// By channel.
    pub channels: Vec<ChannelFigures>,
}

/// The inside of `alarm.Notify`.
pub struct Notifier {
    store: Arc<PolicyStore>,
    dedup: Dedup,
    fan_out: usize,
    channels: Vec<(Arc<dyn Channel>, Arc<ChannelCount>)>,
    alarms: AtomicU64,
    shielded: AtomicU64,
    duplicates: AtomicU64,
    untellable: AtomicU64,
    /// By product.
    told: Mutex<BTreeMap<String, u64>>,
}

struct Tellable {
    key: AlarmKey,
    channels: ChannelSet,
    notification: Arc<Notification>,
}

impl Notifier {
    /// A notifier that tells over `channels`.
    #[must_use]
    pub fn new(
        store: Arc<PolicyStore>,
        options: &NotifyOptions,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        let window = u64::try_from(options.dedup_window.as_millis()).unwrap_or(u64::MAX);
        Self {
            store,
            dedup: Dedup::new(window),
            fan_out: options.fan_out,
            channels: channels
                .into_iter()
                .map(|channel| (channel, Arc::default()))
                .collect(),
            alarms: AtomicU64::new(0),
            shielded: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            untellable: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    /// What was done since the start.
    #[must_use]
    pub fn figures(&self) -> NotifyFigures {
        let channel = |(channel, count): &(Arc<dyn Channel>, Arc<ChannelCount>)| ChannelFigures {
            kind: channel.kind(),
            open: count.open(),
            delivered: count.delivered.load(Relaxed),
            failed: count.failed.load(Relaxed),
        };
        NotifyFigures {
            alarms: self.alarms.load(Relaxed),
            shielded: self.shielded.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            untellable: self.untellable.load(Relaxed),
            told: self.told.lock().clone(),
            channels: self.channels.iter().map(channel).collect(),
        }
    }

    /// Completes when no delivery is under way; also none of a call whose caller
    /// has gone.
    pub async fn delivered(&self) {
        for (_, count) in &self.channels {
            count.all_ended().await;
        }
    }

    /// Closes the channels: nothing is to be told after that.
    ///
    /// # Errors
    /// The first one of a channel that cannot make sure of what it told; the others
    /// are closed all the same.
    pub async fn close(&self) -> Result<(), DeliveryError> {
        let closing = self.channels.iter().map(|(channel, _)| channel.close());
        let closed = futures::future::join_all(closing).await;
        closed.into_iter().collect()
    }

    /// Tells what is to be told of `alarms`, at `now_ms` (milliseconds since
    /// the Unix epoch).
    ///
    /// Returns when each channel delivered or gave up. A channel that fails
    /// does not keep the others from delivering. When the returned future is
    /// dropped, deliveries under way go on.
    pub async fn notify(&self, alarms: Vec<Alarm>, now_ms: u64) -> NotifyReply {
        let mut reply = NotifyReply::default();
        let mut tellable = Vec::with_capacity(alarms.len());
        self.alarms.fetch_add(alarms.len() as u64, Relaxed);
        for alarm in alarms {
            tellable.extend(self.screen(alarm, now_ms, &mut reply));
        }
        self.shielded.fetch_add(reply.shielded.into(), Relaxed);
        self.duplicates.fetch_add(reply.duplicates.into(), Relaxed);
        self.untellable.fetch_add(reply.failed.into(), Relaxed);
        if tellable.is_empty() {
            return reply;
        }
        let told_on = self.fan_out(&tellable).await;
        let mut told = self.told.lock();
        for one in &tellable {
            if ChannelKind::iter().any(|kind| one.channels.contains(kind) && told_on.contains(kind))
            {
                reply.told += 1;
                count(&mut told, &one.notification.product);
            } else {
                reply.failed += 1;
                self.dedup.forget(one.key, now_ms);
            }
        }
        reply
    }

    fn screen(&self, alarm: Alarm, now_ms: u64, reply: &mut NotifyReply) -> Option<Tellable> {
        let state = alarm.state();
        let (Some(policy), Some(point)) = (self.store.get(alarm.policy), alarm.point) else {
            reply.failed += 1;
            return None;
        };
        if !self
            .channels
            .iter()
            .any(|(channel, _)| policy.channels.contains(channel.kind()))
        {
            reply.failed += 1;
            return None;
        }
        if policy.shield.covers(now_ms / 1000) {
            reply.shielded += 1;
            return None;
        }
        let key = (alarm.policy, Instance::named(&point.instance));
        if !self.dedup.admit(key, state, now_ms) {
            reply.duplicates += 1;
            return None;
        }
        let notification = Arc::new(Notification {
            policy: alarm.policy,
            state: state.to_string(),
            level: policy.level.to_string(),
            region: point.region,
            product: point.product,
            metric: point.metric,
            instance: point.instance,
            value: point.value,
            condition: format!("{} {}", policy.comparison, policy.threshold),
            time_ms: point.time_ms,
        });
        Some(Tellable {
            key,
            channels: policy.channels,
            notification,
        })
    }

    /// Delivers to each channel what is for it; the channels that took it.
    async fn fan_out(&self, tellable: &[Tellable]) -> ChannelSet {
        let group = Group::<std::convert::Infallible>::new().limit(self.fan_out);
        let mut outcomes = Vec::with_capacity(self.channels.len());
        for (channel, count) in &self.channels {
            let kind = channel.kind();
            let batch: Batch = tellable
                .iter()
                .filter(|one| one.channels.contains(kind))
                .map(|one| Arc::clone(&one.notification))
                .collect();
            if batch.is_empty() {
                continue;
            }
            let delivery = Delivery::begin(Arc::clone(count), batch.len());
            let channel = Arc::clone(channel);
            let (tell, told) = oneshot::channel();
            group.spawn(async move {
                // The asker may be gone; the counts are not.
                let _ = tell.send(deliver(&*channel, batch, delivery).await.then_some(kind));
                // A failed channel is counted, and is no error of the group:
                // an error would cancel the other deliveries.
                Ok(())
            });
            outcomes.push(told);
        }
        let Ok(()) = group.wait().await;
        let told = futures::future::join_all(outcomes).await;
        told.into_iter().filter_map(Result::ok).flatten().collect()
    }
}

/// Counts one more of this product.
fn count(told: &mut BTreeMap<String, u64>, product: &str) {
    let known = told.len();
    if let Some(count) = told.get_mut(product) {
        *count += 1;
        return;
    }
    let product = if known < MOST_PRODUCTS {
        product
    } else {
        OTHER_PRODUCTS
    };
    *told.entry(product.to_owned()).or_default() += 1;
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}

/// Counts a batch as failed unless it was delivered, however it ends.
struct Delivery {
    count: Arc<ChannelCount>,
    size: u64,
}

impl Delivery {
    fn begin(count: Arc<ChannelCount>, size: usize) -> Self {
        let size = size as u64;
        count.begun.fetch_add(size, Relaxed);
        Self { count, size }
    }

    fn delivered(mut self) {
        self.count
            .delivered
            .fetch_add(std::mem::take(&mut self.size), Relaxed);
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.count.failed.fetch_add(self.size, Relaxed);
        self.count.ended.notify_waiters();
    }
}

async fn deliver(channel: &dyn Channel, batch: Batch, delivery: Delivery) -> bool {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=TRIES {
        match channel.deliver(Arc::clone(&batch)).await {
            Ok(()) => {
                delivery.delivered();
                return true;
            }
            Err(error) => {
                let channel = channel.kind();
                sampled!(10, warn, %channel, %error, attempt, size = batch.len(), "delivery failed");
            }
        }
        if attempt < TRIES {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    false
}
