//! A channel with a queue and a consumer of its own, so that one that is slow, hangs or is
//! down holds up no other one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::channel::{Batch, Channel, DeliveryError};
use super::lane::{Lane, Taken};
use super::policy::ChannelKind;
use super::telling::Telling;
use crate::sampled;

/// The most notifications that a channel is told at once.
const BATCH: usize = 500;
/// The pause after a delivery has failed; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What one channel did since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelFigures {
    /// Which channel.
    pub kind: ChannelKind,
    /// Notifications delivered.
    pub delivered: u64,
    /// Notifications given up: refused for good, not taken in time, or without room.
    pub failed: u64,
    /// Of those, the ones for which the queue had no room.
    pub no_room: u64,
    /// Notifications neither delivered nor given up (yet).
    pub open: u64,
}

/// A channel and what waits for it.
pub(super) struct Outlet {
    channel: Arc<dyn Channel>,
    lane: Lane<Queued>,
    room: usize,
    give_up: Duration,
    delivered: AtomicU64,
    failed: AtomicU64,
    no_room: AtomicU64,
}

#[derive(Debug)]
struct Queued {
    telling: Arc<Telling>,
    /// Not tried any more after that.
    until: Instant,
}

impl Outlet {
    pub(super) fn new(channel: Arc<dyn Channel>, room: usize, give_up: Duration) -> Self {
        Self {
            channel,
            lane: Lane::new(),
            room,
            give_up,
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            no_room: AtomicU64::new(0),
        }
    }

    pub(super) fn kind(&self) -> ChannelKind {
        self.channel.kind()
    }

    pub(super) fn figures(&self) -> ChannelFigures {
        ChannelFigures {
            kind: self.kind(),
            open: self.lane.len() as u64,
            delivered: self.delivered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            no_room: self.no_room.load(Relaxed),
        }
    }

    /// Leaves it for the consumer; false when there is no room, which is counted.
    pub(super) fn queue(&self, telling: &Arc<Telling>) -> bool {
        let queued = Queued {
            telling: Arc::clone(telling),
            until: Instant::now() + self.give_up,
        };
        let taken = self.lane.push(queued, self.room);
        if !taken {
            self.no_room.fetch_add(1, Relaxed);
            self.failed.fetch_add(1, Relaxed);
            let channel = self.kind();
            sampled!(1, error, %channel, "no room: a notification is not told here");
        }
        taken
    }

    /// Delivers what is queued, in its order, for ever. What fails is tried again until its
    /// time is over.
    pub(super) async fn consume(&self) {
        let mut pause = FIRST_PAUSE;
        let mut most = BATCH;
        while self.lane.has_more().await {
            let mut queued = self.lane.take(most);
            let notifications = queued.things.iter().map(|one| one.telling.notification());
            let batch: Batch = notifications.cloned().collect();
            let Err(error) = self.channel.deliver(batch).await else {
                queued.things.iter().for_each(|one| one.telling.told());
                self.delivered
                    .fetch_add(queued.things.len() as u64, Relaxed);
                queued.things.clear();
                pause = FIRST_PAUSE;
                // What was too long together may be so again.
                most = BATCH.min(2 * most);
                continue;
            };
            if error.is_too_long() && queued.things.len() > 1 {
                most = queued.things.len() / 2;
                continue;
            }
            let given_up = self.give_up(&mut queued, &error);
            let (channel, left) = (self.kind(), queued.things.len());
            drop(queued);
            sampled!(10, warn, %channel, %error, given_up, left, "delivery failed");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Lets go of what is not to be tried again after this error.
    fn give_up(&self, queued: &mut Taken<'_, Queued>, error: &DeliveryError) -> usize {
        let (now, all) = (Instant::now(), queued.things.len());
        let hopeless = error.is_final();
        queued.things.retain(|one| !hopeless && now < one.until);
        let given_up = all - queued.things.len();
        self.failed.fetch_add(given_up as u64, Relaxed);
        given_up
    }

    /// Waits until all that was queued is delivered or given up.
    pub(super) async fn emptied(&self) {
        self.lane.emptied().await;
    }

    pub(super) async fn close(&self) -> Result<(), DeliveryError> {
        let (channel, open) = (self.kind(), self.lane.len());
        if open > 0 {
            tracing::error!(%channel, open, "closed before all was delivered");
        }
        self.channel.close().await
    }
}
