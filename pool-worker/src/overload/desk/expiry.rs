//! Jobs whose deadline passes while they wait are given back then, by whoever is there:
//! by who submits, by the worker whose turn it is, or by the alarm.

use std::time::{Duration, Instant};

use super::{Desk, Job, State};
use crate::overload::WhyUnserved;

/// Has somebody [`ring`](Desk::ring), soon; and then each time when that said.
pub(crate) type Alarm = Box<dyn Fn() + Send + Sync>;

impl<T> Desk<T> {
    /// To be told before the first job.
    pub(crate) fn wake_by(&self, alarm: Alarm) {
        let told = self.alarm.set(alarm);
        debug_assert!(told.is_ok(), "told once");
    }

    /// Gives back what has expired by now. When the alarm is to ring next, unless it is
    /// woken before: what is to expire earlier from now on wakes it.
    pub(crate) fn ring(&self) -> Option<Instant> {
        loop {
            let mut state = self.state.lock();
            let now = self.epoch.now();
            let expired = self.take_expired(&mut state, now);
            if expired.is_empty() {
                state.rings_at = state.schedule.next_deadline();
                return state.rings_at.map(|at| self.epoch.moment(at));
            }
            drop(state);
            // Who gets them back may park, and so lose a wake-up: all is looked at again.
            self.give_back_expired(expired, now);
        }
    }

    /// Not under the lock, as all that calls out of the desk.
    pub(super) fn wake_alarm(&self) {
        if let Some(alarm) = self.alarm.get() {
            alarm();
        }
    }

    /// Takes what has expired, wherever it waits; to be given back.
    pub(super) fn take_expired(&self, state: &mut State<T>, now: Duration) -> Vec<Job<T>> {
        let expired = state.expire(now);
        self.hold_end(expired.len());
        expired
    }

    pub(super) fn give_back_expired(&self, expired: Vec<Job<T>>, now: Duration) {
        for job in expired {
            self.give_back_held(job, WhyUnserved::Expired, now);
        }
    }
}

impl<T> State<T> {
    fn expire(&mut self, now: Duration) -> Vec<Job<T>> {
        let mut expired = Vec::new();
        while let Some(job) = self.schedule.take_expired(now) {
            let delay = now.saturating_sub(job.accepted_at);
            self.left(job.priority, WhyUnserved::Expired, delay);
            expired.push(job);
        }
        expired
    }

    /// Whether the alarm is to be woken, as it does not ring by the first deadline. One
    /// whose time has come may have been lost, as where the system gave no thread for it.
    pub(super) fn wakes_alarm(&mut self, now: Duration) -> bool {
        let Some(first) = self.schedule.next_deadline() else {
            return false;
        };
        let will_ring = self.rings_at.is_some_and(|at| now < at && at <= first);
        if !will_ring {
            self.rings_at = Some(first);
        }
        !will_ring
    }
}
