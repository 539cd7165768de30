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
                    most = CALL;
                }
                Err(CallError::Unfit(error)) if alarms == 1 => {
                    tracing::error!(%error, "an alarm is too long to be told, and is lost");
                    self.unfit.fetch_add(1, Relaxed);
                    parcel.things.clear();
                }
                // Names may be long: fewer with a call.
                Err(CallError::Unfit(_)) => most = alarms / 2,
                Err(error) => {
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
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::super::check::Checker;
    use super::super::message::{AlarmState, CheckReply, CheckRequest, NotifyReply, Point};
    use super::super::service::{self, CHECK};
    use super::super::store::StoreBuilder;
    use super::*;
    use parking_lot::Mutex;

    use crate::client::{BalancedOptions, Client, ClientOptions};
    use crate::server::{Context, Failure, PoolOptions, Server, ServerOptions, Service};
    use crate::urgency::{PRIORITY, USER};
    use crate::wire::Code;

    /// Of one series, so that they go by one lane.
    fn series(sequences: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Alarm> {
        sequences.map(|sequence| Alarm {
            policy: 7,
            sequence,
            ..Alarm::default()
        })
    }

    /// A server that is told of alarms, after so many refusals; and what it was told.
    async fn notify(refusals: u32) -> (Server, Outbox, Arc<Mutex<Vec<Vec<u64>>>>) {
        let told = Arc::<Mutex<Vec<Vec<u64>>>>::default();
        let (calls, left) = (Arc::clone(&told), Arc::new(AtomicU32::new(refusals)));
        let service = Service::new("alarm.Notify", "alarm.Notify").method(
            "Notify",
            move |_: Context, request: NotifyRequest| {
                let refused = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                let sequences = request.alarms.iter().map(|alarm| alarm.sequence);
                if refused.is_err() {
                    calls.lock().push(sequences.collect());
                }
                async move {
                    match refused {
                        Ok(_) => Err(Failure::framework(Code::SERVER_SYSTEM, "not now")),
                        Err(_) => Ok(NotifyReply::default()),
                    }
                }
            },
        );
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service, "127.0.0.1:0").await;
        let client = Balanced::new(vec![addr.unwrap()], BalancedOptions::default()).await;
        (server, Outbox::new(client), told)
    }

    #[tokio::test]
    async fn what_waits_goes_with_one_call_and_none_is_lost_when_it_fails() {
        let (_server, outbox, told) = notify(2).await;
        let outbox = Arc::new(outbox);
        series(1..=3).for_each(|alarm| outbox.put(alarm));
        assert_eq!((outbox.waiting(), outbox.acknowledged()), (3, 0));
        outbox.close();
        Arc::clone(&outbox).consume().await;
        assert_eq!((outbox.waiting(), outbox.acknowledged()), (0, 3));
        assert_eq!(*told.lock(), [[1, 2, 3]]);
    }

    #[tokio::test]
    async fn a_call_is_as_urgent_as_its_most_urgent_alarm_and_of_the_trace_of_its_first() {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let service = Service::new("alarm.Notify", "alarm.Notify").method(
            "Notify",
            move |context: Context, _: NotifyRequest| {
                let said = [PRIORITY, USER, TRACEPARENT];
                let said = said.map(|key| context.metadata()[key].clone());
                tell.send(said).unwrap();
                async { Ok(NotifyReply::default()) }
            },
        );
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service, "127.0.0.1:0").await;
        let client = Balanced::new(vec![addr.unwrap()], BalancedOptions::default()).await;
        let outbox = Arc::new(Outbox::new(client));
        for (sequence, priority, user) in [(1, "20", "a"), (2, "10", "b"), (3, "40", "c")] {
            let request = super::Context::new("id").with(PRIORITY, priority);
            let request = request.with(TRACEPARENT, format!("span of {user}"));
            let put = || series(sequence..=sequence).for_each(|alarm| outbox.put(alarm));
            request.with(USER, user).call(put);
        }
        outbox.close();
        outbox.consume().await;
        assert_eq!(told.recv().await.unwrap(), ["10", "b", "span of a"]);
    }

    #[tokio::test]
    async fn so_many_go_with_a_call_at_most_and_in_their_order() {
        let (_server, outbox, told) = notify(1).await;
        let outbox = Arc::new(outbox);
        let most = 2 * CALL as u64 + 1;
        series(1..=most).for_each(|alarm| outbox.put(alarm));
        outbox.close();
        outbox.consume().await;
        let sizes: Vec<_> = told.lock().iter().map(Vec::len).collect();
        assert_eq!(sizes, [CALL, CALL, 1]);
        assert!(told.lock().concat().into_iter().eq(1..=most));
    }

    /// The last word on a series is its last state, though the call with the one before
    /// was refused.
    #[tokio::test]
    async fn what_recovers_while_its_alarm_is_refused_is_told_after_it() {
        let (_server, outbox, told) = notify(1).await;
        let outbox = Arc::new(outbox);
        let consumer = tokio::spawn(Arc::clone(&outbox).consume());
        let states = [AlarmState::Firing, AlarmState::Recovered];
        for (state, sequence) in states.into_iter().zip(1..) {
            outbox.put(Alarm {
                state: state.into(),
                ..series(sequence..=sequence).next().unwrap()
            });
            // The second comes while the first is in a call.
            while outbox.client().pending.values().all(|calls| *calls == 0)
                && told.lock().is_empty()
            {
                tokio::task::yield_now().await;
            }
        }
        outbox.close();
        consumer.await.unwrap();
        assert_eq!(told.lock().concat(), [1, 2]);
    }

    #[tokio::test]
    async fn names_that_fit_into_no_frame_together_go_one_after_the_other() {
        let (_server, outbox, told) = notify(0).await;
        let outbox = Arc::new(outbox);
        let long = |length: usize| Point {
            region: "x".repeat(length),
            ..Point::default()
        };
        let lengths = [4 << 20, 11 << 20, 4 << 20, 4 << 20];
        for (length, alarm) in lengths.into_iter().zip(series(1..=4)) {
            outbox.put(Alarm {
                point: Some(long(length)),
                ..alarm
            });
        }
        outbox.close();
        Arc::clone(&outbox).consume().await;
        assert_eq!(told.lock().concat(), [1, 3, 4]);
        // The second is longer than any frame.
        assert_eq!((outbox.waiting(), outbox.acknowledged()), (0, 3));
    }

    #[tokio::test]
    async fn a_consumer_that_is_dropped_leaves_what_it_had_waiting() {
        let (_server, outbox, told) = notify(u32::MAX).await;
        let outbox = Arc::new(outbox);
        series(1..=5).for_each(|alarm| outbox.put(alarm));
        let consumer = tokio::spawn(Arc::clone(&outbox).consume());
        while outbox.client().messages.is_empty() {
            tokio::task::yield_now().await;
        }
        consumer.abort();
        assert!(consumer.await.unwrap_err().is_cancelled());
        assert_eq!(outbox.waiting(), 5);
        // Tasks of a group that is dropped end a little later.
        while outbox
            .lanes
            .iter()
            .map(|lane| lane.take(9).things.len())
            .sum::<usize>()
            < 5
        {
            tokio::task::yield_now().await;
        }
        assert!(told.lock().is_empty());
    }

    #[tokio::test]
    async fn check_refuses_while_too_much_waits() {
        let (_notify, outbox, told) = notify(0).await;
        let outbox = Arc::new(outbox);
        series(1..=MOST).for_each(|alarm| outbox.put(alarm));
        let checker = Arc::new(Checker::new(Arc::new(StoreBuilder::default().finish())));
        let pool = PoolOptions {
            capacity: 1,
            queue: 10,
        };
        let check = service::check(checker, Arc::clone(&outbox), pool);
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(check, "127.0.0.1:0").await;
        let client = Client::new(addr.unwrap(), ClientOptions::default());
        let call = || async {
            let options = CallOptions::default();
            let request = CheckRequest::default();
            let reply = client.call::<_, CheckReply>(CHECK, &request, &options);
            reply.await.map_err(|error| error.code())
        };
        assert_eq!(call().await, Err(Code::SERVER_OVERLOAD));
        outbox.close();
        Arc::clone(&outbox).consume().await;
        assert_eq!(told.lock().concat().len() as u64, MOST);
        assert_eq!(call().await, Ok(CheckReply::default()));
    }
}
