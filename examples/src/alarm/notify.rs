//! Telling people: drop what is shielded or was told, convert, leave it to the channels.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use errgroup::Group;
use parking_lot::Mutex;

use super::channel::{Channel, DeliveryError, Notification};
use super::dedup::{Dedup, Refusal};
use super::message::{Alarm, NotifyReply, Point};
use super::outlet::{ChannelFigures, Outlet};
use super::policy::{Instance, Policy};
use super::store::PolicyStore;
use super::telling::{Ledger, Telling};
use crate::traceparent::TraceParent;

/// How the notifier tells people.
#[derive(Clone, Copy, Debug)]
pub struct NotifyOptions {
    /// The same state of the same alarm is told once in this time.
    pub dedup_window: Duration,
    /// For how long a channel that fails is tried again with a notification.
    pub give_up: Duration,
    /// How many notifications may wait for a channel.
    pub room: usize,
}

impl Default for NotifyOptions {
    /// Once a minute; two minutes, which most restarts of a receiver take less than; 50,000.
    fn default() -> Self {
        Self {
            dedup_window: Duration::from_secs(60),
            give_up: Duration::from_secs(120),
            room: 50_000,
        }
    }
}

/// What the notifier did since the start. Each alarm is one of shielded, duplicate, stale,
/// untellable, told, untold, or on its way.
#[derive(Clone, Debug, Default)]
pub struct NotifyFigures {
    /// Alarms taken in.
    pub alarms: u64,
    /// Kept back by a shield time.
    pub shielded: u64,
    /// Told already a short while ago.
    pub duplicates: u64,
    /// A later state of them came before.
    pub stale: u64,
    /// Of a policy that is not there, or with no channel that is there.
    pub untellable: u64,
    /// Alarms that were told on at least one channel, by product.
    pub told: BTreeMap<String, u64>,
    /// Alarms that every one of their channels gave up.
    pub untold: u64,
    /// By channel.
    pub channels: Vec<ChannelFigures>,
}

/// The inside of `alarm.Notify`.
pub struct Notifier {
    store: Arc<PolicyStore>,
    ledger: Arc<Ledger>,
    outlets: Vec<Arc<Outlet>>,
    /// One consumer for each outlet, until the channels are closed.
    consumers: Mutex<Option<Group<Infallible>>>,
    alarms: AtomicU64,
    shielded: AtomicU64,
    duplicates: AtomicU64,
    stale: AtomicU64,
    untellable: AtomicU64,
}

impl Notifier {
    /// A notifier that tells over `channels`, each from a queue of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(
        store: Arc<PolicyStore>,
        options: &NotifyOptions,
        channels: Vec<Arc<dyn Channel>>,
    ) -> Self {
        let window = u64::try_from(options.dedup_window.as_millis()).unwrap_or(u64::MAX);
        let outlet = |channel| Arc::new(Outlet::new(channel, options.room, options.give_up));
        let outlets: Vec<_> = channels.into_iter().map(outlet).collect();
        // Those that are left at the end are not waited for.
        let consumers = Group::new().grace(Duration::ZERO);
        for outlet in &outlets {
            let outlet = Arc::clone(outlet);
            consumers.spawn(async move {
                outlet.consume().await;
                Ok(())
            });
        }
        Self {
            store,
            ledger: Arc::new(Ledger::new(Dedup::new(window))),
            outlets,
            consumers: Mutex::new(Some(consumers)),
            alarms: AtomicU64::new(0),
            shielded: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            untellable: AtomicU64::new(0),
        }
    }

    /// What was done since the start.
    #[must_use]
    pub fn figures(&self) -> NotifyFigures {
        NotifyFigures {
            // What comes late in an alarm's way is read first.
            told: self.ledger.told(),
            untold: self.ledger.untold(),
            channels: self.outlets.iter().map(|outlet| outlet.figures()).collect(),
            shielded: self.shielded.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            stale: self.stale.load(Relaxed),
            untellable: self.untellable.load(Relaxed),
            alarms: self.alarms.load(Relaxed),
        }
    }

    /// Completes when all that was taken is delivered or given up.
    pub async fn delivered(&self) {
        for outlet in &self.outlets {
            outlet.emptied().await;
        }
    }

    /// Closes the channels: nothing is told after that. What has not been delivered by then
    /// stays counted as open.
    ///
    /// # Errors
    /// The first one of a channel that cannot make sure of what it told; the others
    /// are closed all the same.
    pub async fn close(&self) -> Result<(), DeliveryError> {
        let consumers = self.consumers.lock().take();
        if let Some(consumers) = consumers {
            consumers.cancel();
            let Ok(()) = consumers.wait().await;
        }
        let closing = self.outlets.iter().map(|outlet| outlet.close());
        let closed = futures::future::join_all(closing).await;
        closed.into_iter().collect()
    }

    /// Takes what is to be told of `alarms`, at `now_ms` (milliseconds since the Unix
    /// epoch): each is left to its channels, and told by each of them when it can. Does
    /// not wait.
    pub fn notify(&self, alarms: Vec<Alarm>, now_ms: u64) -> NotifyReply {
        let mut reply = NotifyReply::default();
        self.alarms.fetch_add(alarms.len() as u64, Relaxed);
        let mut untellable = 0;
        for alarm in alarms {
            let count = match self.take(alarm, now_ms) {
                Outcome::Taken => &mut reply.taken,
                Outcome::Shielded => &mut reply.shielded,
                Outcome::Refused(Refusal::Duplicate) => &mut reply.duplicates,
                Outcome::Refused(Refusal::Stale) => &mut reply.stale,
                Outcome::NoRoom => &mut reply.failed,
                Outcome::Untellable => {
                    untellable += 1;
                    &mut reply.failed
                }
            };
            *count += 1;
        }
        self.shielded.fetch_add(reply.shielded.into(), Relaxed);
        self.duplicates.fetch_add(reply.duplicates.into(), Relaxed);
        self.stale.fetch_add(reply.stale.into(), Relaxed);
        self.untellable.fetch_add(untellable, Relaxed);
        reply
    }

    fn take(&self, mut alarm: Alarm, now_ms: u64) -> Outcome {
        let (Some(policy), Some(point)) = (self.store.get(alarm.policy), alarm.point.take()) else {
            return Outcome::Untellable;
        };
        let wanted = |outlet: &&Arc<Outlet>| policy.channels.contains(outlet.kind());
        let outlets = || self.outlets.iter().filter(wanted);
        if outlets().next().is_none() {
            return Outcome::Untellable;
        }
        if policy.shield.covers(now_ms / 1000) {
            return Outcome::Shielded;
        }
        let key = (alarm.policy, Instance::named(&point.instance));
        let (state, sequence) = (alarm.state(), alarm.sequence);
        let ledger = &self.ledger;
        let admitted = ledger.dedup.admit(key, (state, sequence), now_ms, || {
            let notification = converted(alarm, point, policy);
            let telling = Telling::new((key, state, now_ms), notification, ledger);
            let telling = Arc::new(telling);
            let queued = outlets().filter(|outlet| outlet.queue(&telling)).count();
            (telling, queued)
        });
        match admitted {
            Ok((_, 0)) => Outcome::NoRoom,
            Ok(_) => Outcome::Taken,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }
}

/// What becomes of an alarm at first.
enum Outcome {
    Taken,
    Shielded,
    Refused(Refusal),
    NoRoom,
    Untellable,
}

/// For people: names in place of numbers.
fn converted(alarm: Alarm, point: Point, policy: &Policy) -> Notification {
    Notification {
        policy: alarm.policy,
        state: alarm.state().to_string(),
        level: policy.level.to_string(),
        region: point.region,
        product: point.product,
        metric: point.metric,
        instance: point.instance,
        value: point.value,
        condition: format!("{} {}", policy.comparison, policy.threshold),
        time_ms: point.time_ms,
        request_id: alarm.request_id,
        // Who called may have said anything.
        traceparent: match alarm.traceparent.parse::<TraceParent>() {
            Ok(_) => alarm.traceparent,
            Err(_) => String::new(),
        },
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}
