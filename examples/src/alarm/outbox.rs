//! Alarms on their way from Check to Notify: a channel in memory, and who consumes it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use errgroup::{Context, Group};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::{Alarm, NotifyReply, NotifyRequest};
use super::service::NOTIFY;
use crate::client::{Balanced, CallError, CallOptions, ClientFigures};
use crate::{sampled, urgency};

/// So many alarms may wait before the outbox is full.
const MOST: usize = 100_000;
/// The most alarms that go with one call.
const CALL: usize = 1_000;
/// How many calls may be under way.
const CALLS: usize = 16;
/// How long the first alarm waits for others to go with it.
const GATHER: Duration = Duration::from_millis(2);
/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one that failed keeps its place.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes alarms from Check, and hands them over to Notify, many with one call. Those of
/// a call that failed wait again, and Notify drops what it was told of after all.
///
/// Nothing that was put in is dropped: who puts in asks before whether it
/// [`is_full`](Self::is_full).
#[derive(Debug)]
pub struct Outbox {
    notify: Balanced,
    waiting: Mutex<Waiting>,
    /// Told when there is something new in `waiting`.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    alarms: Vec<Alarm>,
    /// Of the request that raised the first of them, and as urgent as any.
    context: Option<Context>,
    closed: bool,
}

impl Outbox {
    /// An outbox that calls `notify`.
    #[must_use]
    pub fn new(notify: Balanced) -> Self {
        Self {
            notify,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// How many alarms wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.lock().alarms.len()
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

    /// Puts alarms in. The call they go with bears the id of the request that raised
    /// the first of them, not its deadline, since it has its answer by then, and is as
    /// urgent as the most urgent of those that raised them.
    pub fn put(&self, alarms: Vec<Alarm>) {
        if alarms.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        if let Some(current) = Context::current() {
            let first = waiting.context.take();
            let first = first.filter(|_| !waiting.alarms.is_empty());
            let first = first.unwrap_or_else(|| Context::new(current.id()));
            waiting.context = Some(urgency::at_least(first, &current));
        } else if waiting.alarms.is_empty() {
            waiting.context = None;
        }
        waiting.alarms.extend(alarms);
        drop(waiting);
        self.changed.notify_one();
    }

    /// Nothing is put in any more: whoever consumes is to end when there is nothing left.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    /// Hands over what is put in, until the outbox is closed and empty; then it closes
    /// the client. Dropping the returned future leaves what was not handed over waiting.
    pub async fn consume(self: Arc<Self>) {
        loop {
            let calls = Group::<Infallible>::new().limit(CALLS);
            while self.has_more().await {
                tokio::time::sleep(GATHER).await;
                let parcel = self.take();
                let spawned = calls.spawn_wait(async move {
                    parcel.hand_over().await;
                    Ok(())
                });
                spawned.await.expect("nobody cancels the group");
            }
            let Ok(()) = calls.wait().await;
            // Those of calls that failed are back.
            if self.waiting() == 0 {
                break;
            }
        }
        self.notify.close().await;
    }

    /// Waits until an alarm does; false if there is none, and will be none.
    async fn has_more(&self) -> bool {
        loop {
            {
                let waiting = self.waiting.lock();
                if !waiting.alarms.is_empty() || waiting.closed {
                    return !waiting.alarms.is_empty();
                }
            }
            // One that came since is not missed: it has left a permit.
            self.changed.notified().await;
        }
    }

    fn take(self: &Arc<Self>) -> Parcel {
        let mut waiting = self.waiting.lock();
        let count = CALL.min(waiting.alarms.len());
        Parcel {
            outbox: Arc::clone(self),
            request: NotifyRequest {
                alarms: waiting.alarms.drain(..count).collect(),
            },
            context: waiting.context.clone(),
        }
    }
}

/// Alarms in a call; those not known to have arrived go back when it is dropped.
struct Parcel {
    outbox: Arc<Outbox>,
    request: NotifyRequest,
    context: Option<Context>,
}

impl Parcel {
    async fn hand_over(mut self) {
        let alarms = self.request.alarms.len();
        let sent = match self.context.take() {
            Some(context) => context.run(self.send()).await,
            None => self.send().await,
        };
        match sent {
            Ok(()) => self.request.alarms.clear(),
            Err(error) => {
                sampled!(10, warn, %error, alarms, "notify failed; alarms wait");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn send(&self) -> Result<(), CallError> {
        let options = CallOptions {
            timeout: CALL_TIMEOUT,
            ..CallOptions::default()
        };
        let call = self.outbox.notify.call(NOTIFY, &self.request, &options);
        call.await.map(|_: NotifyReply| ())
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if self.request.alarms.is_empty() {
            return;
        }
        let mut waiting = self.outbox.waiting.lock();
        waiting.alarms.append(&mut self.request.alarms);
        drop(waiting);
        self.outbox.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::super::check::Checker;
    use super::super::message::{CheckReply, CheckRequest};
    use super::super::service::{self, CHECK};
    use super::super::store::StoreBuilder;
    use super::*;
    use crate::client::{BalancedOptions, Client, ClientOptions};
    use crate::server::{Context, Failure, PoolOptions, Server, ServerOptions, Service};
    use crate::urgency::{PRIORITY, USER};
    use crate::wire::Code;

    fn alarms(policies: std::ops::Range<u32>) -> Vec<Alarm> {
        let alarm = |policy| Alarm {
            policy,
            ..Alarm::default()
        };
        policies.map(alarm).collect()
    }

    /// A server that is told of alarms, after so many refusals; and what it was told.
    async fn notify(refusals: u32) -> (Server, Outbox, Arc<Mutex<Vec<Vec<u32>>>>) {
        let told = Arc::<Mutex<Vec<Vec<u32>>>>::default();
        let (calls, left) = (Arc::clone(&told), Arc::new(AtomicU32::new(refusals)));
        let service = Service::new("alarm.Notify", "alarm.Notify").method(
            "Notify",
            move |_: Context, request: NotifyRequest| {
                let refused = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
                let policies = request.alarms.iter().map(|alarm| alarm.policy);
                if refused.is_err() {
                    calls.lock().push(policies.collect());
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
        outbox.put(alarms(0..2));
        outbox.put(Vec::new());
        outbox.put(alarms(2..3));
        assert_eq!(outbox.waiting(), 3);
        outbox.close();
        Arc::clone(&outbox).consume().await;
        assert_eq!(outbox.waiting(), 0);
        assert_eq!(*told.lock(), [[0, 1, 2]]);
    }

    #[tokio::test]
    async fn a_call_is_as_urgent_as_the_most_urgent_that_raised_its_alarms() {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let service = Service::new("alarm.Notify", "alarm.Notify").method(
            "Notify",
            move |context: Context, _: NotifyRequest| {
                let said = [PRIORITY, USER].map(|key| context.metadata()[key].clone());
                tell.send(said).unwrap();
                async { Ok(NotifyReply::default()) }
            },
        );
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service, "127.0.0.1:0").await;
        let client = Balanced::new(vec![addr.unwrap()], BalancedOptions::default()).await;
        let outbox = Arc::new(Outbox::new(client));
        for (policy, priority, user) in [(0, "20", "a"), (1, "10", "b"), (2, "40", "c")] {
            let request = super::Context::new("id").with(PRIORITY, priority);
            let put = || outbox.put(alarms(policy..policy + 1));
            request.with(USER, user).call(put);
        }
        outbox.close();
        outbox.consume().await;
        assert_eq!(told.recv().await.unwrap(), ["10", "b"]);
    }

    #[tokio::test]
    async fn so_many_go_with_a_call_at_most() {
        let (_server, outbox, told) = notify(0).await;
        let outbox = Arc::new(outbox);
        outbox.put(alarms(0..2 * CALL as u32 + 1));
        outbox.close();
        outbox.consume().await;
        let mut sizes: Vec<_> = told.lock().iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, CALL, CALL]);
        let mut all = told.lock().concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2 * CALL as u32 + 1));
    }

    #[tokio::test]
    async fn a_consumer_that_is_dropped_leaves_what_it_had_waiting() {
        let (_server, outbox, told) = notify(u32::MAX).await;
        let outbox = Arc::new(outbox);
        outbox.put(alarms(0..5));
        let consumer = tokio::spawn(Arc::clone(&outbox).consume());
        while outbox.client().messages.is_empty() {
            tokio::task::yield_now().await;
        }
        consumer.abort();
        assert!(consumer.await.unwrap_err().is_cancelled());
        // Tasks of a group that is dropped end a little later.
        while outbox.waiting() < 5 {
            tokio::task::yield_now().await;
        }
        assert!(told.lock().is_empty());
    }

    #[tokio::test]
    async fn check_refuses_while_too_much_waits() {
        let (_notify, outbox, told) = notify(0).await;
        let outbox = Arc::new(outbox);
        outbox.put(alarms(0..MOST as u32));
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
        assert_eq!(told.lock().concat().len(), MOST);
        assert_eq!(call().await, Ok(CheckReply::default()));
    }
}
