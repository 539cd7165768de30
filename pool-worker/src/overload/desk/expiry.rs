//! Jobs whose deadline passes while they wait are given back then, by whoever is there:
//! by who submits, by the worker whose turn it is, or by the alarm.

use std::time::{Duration, Instant};

use super::{Desk, Job, State};
use crate::overload::WhyUnserved;

/// Is to [`ring`](Desk::ring) at this moment, or later; not before.
pub(crate) type Alarm = Box<dyn Fn(Instant) + Send + Sync>;

impl<T> Desk<T> {
    /// To be told before the first job.
    pub(crate) fn wake_by(&self, alarm: Alarm) {
        let told = self.alarm.set(alarm);
        debug_assert!(told.is_ok(), "told once");
    }

    /// A deadline has passed, or has been passed over: gives back what has expired by
    /// now, and has the alarm ring for the next.
    pub(crate) fn ring(&self) {
        let mut state = self.state.lock();
        let now = self.epoch.now();
        let expired = state.expire(now);
        // It may have been told of a later one before it rang, which it forgot with this.
        state.rings_at = None;
        let rings = state.rings(now);
        drop(state);
        self.set_alarm(rings);
        self.give_back_expired(expired, now);
    }

    /// Not under the lock, as all that calls out of the desk.
    pub(super) fn set_alarm(&self, rings: Option<Duration>) {
        if let (Some(at), Some(alarm)) = (rings, self.alarm.get()) {
            alarm(self.epoch.moment(at));
        }
    }

    pub(super) fn give_back_expired(&self, expired: Vec<Job<T>>, now: Duration) {
        for job in expired {
            self.give_back(job, WhyUnserved::Expired, now);
        }
    }
}

impl<T> State<T> {
    /// Takes what has expired, wherever it waits.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Job<T>> {
        let mut expired = Vec::new();
        while let Some(job) = self.schedule.take_expired(now) {
            let delay = now.saturating_sub(job.accepted_at);
            self.left(job.priority, WhyUnserved::Expired, delay);
            expired.push(job);
        }
        expired
    }

    /// When the alarm is to ring that does not ring by then. An alarm whose time has
    /// come may have been lost, as where the system gave no thread for it.
    pub(super) fn rings(&mut self, now: Duration) -> Option<Duration> {
        let first = self.schedule.next_deadline()?;
        let will_ring = self.rings_at.is_some_and(|at| now < at && at <= first);
        (!will_ring).then(|| *self.rings_at.insert(first))
    }
}
