//! Alarms on their way from Check to Notify: a channel in memory, and who consumes it.

use std::convert::Infallible;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use errgroup::{Context, Group};
use prost::Message;
use rustc_hash::FxBuildHasher;

use super::lane::{Lane, Taken};
use super::message::{Alarm, NotifyRequest};
use super::service::NOTIFY;
use crate::client::{Balanced, CallError, CallOptions, ClientFigures};
use crate::traceparent::TRACEPARENT;
use crate::wire::ContentType;
use crate::{sampled, urgency};

/// So many alarms may wait before the outbox is full.
const MOST: u64 = 100_000;
/// The most alarms that go with one call.
const CALL: usize = 1_000;
/// How many calls may be under way, one a lane.
const LANES: usize = 4;
/// How long the first alarm waits for others to go with it.
const GATHER: Duration = Duration::from_millis(5);
/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lane whose call failed pauses.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes alarms from Check, and hands them over to Notify, many with one call. Those of
/// a call that failed go again, and Notify drops what it was told of after all.
///
/// The alarms of a series (one policy, one instance) go by one lane, in the order in which
/// they were put in: a lane has one call under way, and what that call does not hand over
/// goes first with the next.
///
/// Nothing that was put in is dropped: who puts in asks before whether it
/// [`is_full`](Self::is_full).
#[derive(Debug)]
pub struct Outbox {
    notify: Balanced,
    lanes: [Lane<Raised>; LANES],
    put: AtomicU64,
    acknowledged: AtomicU64,
    /// Too long for any frame.
    unfit: AtomicU64,
}

/// An alarm, and the context of the request that raised it.
#[derive(Debug)]
struct Raised {
    alarm: Alarm,
    context: Option<Context>,
}

impl Outbox {
    /// An outbox that calls `notify`.
    #[must_use]
    pub fn new(notify: Balanced) -> Self {
        Self {
            notify,
            lanes: std::array::from_fn(|_| Lane::new()),
            put: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            unfit: AtomicU64::new(0),
        }
    }

    /// How many alarms Notify has said it took.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// How many alarms wait, those in calls included.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        // The ends before the beginnings, so that it is never below zero.
        let ended = self.acknowledged() + self.unfit.load(Relaxed);
        self.put.load(Relaxed).saturating_sub(ended)
    }

    /// Whether so many wait that no more should be raised.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting() >= MOST
    }

    /// What its client did.
    #[must_use]
    pub fn client(&self) -> ClientFigures {
        self.notify.figures()
    }

    /// Puts an alarm in. The call it goes with bears the id and span of the request that
    /// raised the first of its alarms, not its deadline, since it has its answer by then, and is
    /// as urgent as the most urgent of those that raised them.
    pub fn put(&self, alarm: Alarm) {
        self.put.fetch_add(1, Relaxed);
        let instance = alarm.point.as_ref().map(|point| &point.instance);
        let series = FxBuildHasher.hash_one((alarm.policy, instance));
        // The top bits are the best mixed.
        let lane = &self.lanes[(series >> 32) as usize % LANES];
        let context = Context::current();
        lane.push(Raised { alarm, context }, usize::MAX);
    }

    /// Nothing is put in any more: whoever consumes is to end when there is nothing left.
    pub fn close(&self) {
        self.lanes.iter().for_each(Lane::close);
    }

    /// Hands over what is put in, until the outbox is closed and empty; then it closes
    /// the client. Dropping the returned future leaves what was not handed over waiting.
    pub async fn consume(self: Arc<Self>) {
        let consumers = Group::<Infallible>::new().grace(Duration::ZERO);
        for lane in 0..LANES {
            let outbox = Arc::clone(&self);
            consumers.spawn(async move {
                outbox.consume_lane(&outbox.lanes[lane]).await;
                Ok(())
            });
        }
        let Ok(()) = consumers.wait().await;
        self.notify.close().await;
    }

    async fn consume_lane(&self, lane: &Lane<Raised>) {
        let mut most = CALL;
        while lane.has_more().await {
            tokio::time::sleep(GATHER).await;
            let mut parcel = lane.take(most);
            let alarms = parcel.things.len();
            match self.send(&mut parcel).await {
                Ok(()) => {
                    self.acknowledged.fetch_add(alarms as u64, Relaxed);
                    parcel.things.clear();
                    // What was too long together may be so again.
                    most = CALL.min(2 * most);
                }
                Err(CallError::Unfit(error)) if alarms == 1 => {
                    tracing::error!(%error, "an alarm is too long to be told, and is lost");
                    self.unfit.fetch_add(1, Relaxed);
                    parcel.things.clear();
                }
                // Names may be long: fewer with a call.
                Err(CallError::Unfit(_)) => most = alarms / 2,
                Err(error) => {
                    // A server that takes shorter frames than this client may send closes
                    // the connection, and says no more.
                    if let CallError::Net(_) | CallError::ReadFrame(_) = error {
                        most = alarms.div_ceil(2);
                    }
                    sampled!(10, warn, %error, alarms, "notify failed; alarms wait");
                    drop(parcel);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn send(&self, parcel: &mut Taken<'_, Raised>) -> Result<(), CallError> {
        let mut contexts = parcel.things.iter().filter_map(|one| one.context.as_ref());
        let context = contexts.next().map(|first| {
            let mut mine = Context::new(first.id());
            if let Some(span) = first.get(TRACEPARENT) {
                mine = mine.with(TRACEPARENT, span);
            }
            let mine = urgency::at_least(mine, first);
            contexts.fold(mine, urgency::at_least)
        });
        let alarms = parcel.things.iter_mut();
        let request = NotifyRequest {
            alarms: alarms.map(|one| std::mem::take(&mut one.alarm)).collect(),
        };
        let body = request.encode_to_vec().into();
        for (one, alarm) in parcel.things.iter_mut().zip(request.alarms) {
            one.alarm = alarm;
        }
        let options = CallOptions {
            timeout: CALL_TIMEOUT,
            ..CallOptions::default()
        };
        let call = self
            .notify
            .call_raw(NOTIFY, ContentType::PROTOBUF, body, &options);
        let answer = match context {
            Some(context) => context.run(call).await,
            None => call.await,
        };
        answer.map(drop)
    }
}

#[cfg(test)]
mod tests;
