//! Alarms on their way from Check to Notify: what could not be handed over
//! waits here and goes with the next call.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::message::{Alarm, NotifyReply, NotifyRequest};
use super::service::NOTIFY;
use crate::client::{Balanced, CallError, CallOptions, ClientFigures};
use crate::sampled;

/// The most alarms that wait; beyond, the newest are dropped and counted.
const MOST: usize = 100_000;
/// The most alarms that go with one call.
const CALL: usize = 1_000;
/// How long a call may take that is made of its own accord.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Hands alarms over to Notify.
#[derive(Debug)]
pub struct Outbox {
    notify: Balanced,
    waiting: Mutex<Vec<Alarm>>,
    dropped: AtomicU64,
}

impl Outbox {
    /// An outbox that calls `notify`.
    #[must_use]
    pub fn new(notify: Balanced) -> Self {
        Self {
            notify,
            waiting: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// How many alarms wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// What its client did.
    #[must_use]
    pub fn client(&self) -> ClientFigures {
        self.notify.figures()
    }

    /// How many alarms were dropped because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Hands over `alarms`, and some of those that wait. When the call fails,
    /// or the returned future is dropped, all of them wait; Notify drops
    /// those that it was told of after all.
    pub async fn send(&self, alarms: Vec<Alarm>, timeout: Duration) {
        let mut parcel = Parcel {
            outbox: self,
            request: NotifyRequest { alarms },
        };
        parcel.take_waiting();
        let alarms = parcel.request.alarms.len();
        if alarms == 0 {
            return;
        }
        match parcel.send(timeout).await {
            Ok(()) => parcel.request.alarms.clear(),
            Err(error) => sampled!(10, warn, %error, alarms, "notify failed; alarms wait"),
        }
    }

    /// Hands over all that wait, trying again until it has. Cancelling it leaves
    /// the others waiting.
    pub async fn flush(&self) {
        while self.waiting() > 0 {
            let before = self.waiting();
            self.send(Vec::new(), CALL_TIMEOUT).await;
            if self.waiting() >= before {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Closes the client.
    pub async fn close(&self) {
        self.notify.close().await;
    }
}

/// Alarms in a call; those not known to have arrived go back when it is dropped.
struct Parcel<'a> {
    outbox: &'a Outbox,
    request: NotifyRequest,
}

impl Parcel<'_> {
    fn take_waiting(&mut self) {
        let mut waiting = self.outbox.waiting.lock();
        let count = CALL
            .saturating_sub(self.request.alarms.len())
            .min(waiting.len());
        self.request.alarms.extend(waiting.drain(..count));
    }

    async fn send(&self, timeout: Duration) -> Result<(), CallError> {
        let options = CallOptions {
            timeout,
            ..CallOptions::default()
        };
        let call = self.outbox.notify.call(NOTIFY, &self.request, &options);
        call.await.map(|_: NotifyReply| ())
    }
}

impl Drop for Parcel<'_> {
    fn drop(&mut self) {
        let alarms = &mut self.request.alarms;
        if alarms.is_empty() {
            return;
        }
        let mut waiting = self.outbox.waiting.lock();
        let room = MOST.saturating_sub(waiting.len());
        let over = alarms.len().saturating_sub(room);
        alarms.truncate(room);
        waiting.append(alarms);
        self.outbox.dropped.fetch_add(over as u64, Relaxed);
    }
}
