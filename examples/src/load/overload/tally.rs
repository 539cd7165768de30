//! What became of the calls, as their callers see it.

use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use pool_worker::overload::{ClassStats, ControlStats};

use super::report::{ClassReport, OverloadReport, TurnedAway};
use super::{CAPACITY, CLASSES, Load, TIMEOUT};
use crate::client::CallError;
use crate::wire::Code;

/// Counts the ends of calls, by how urgent they were.
#[derive(Debug)]
pub struct Tally([Mutex<Class>; CLASSES.len()]);

#[derive(Debug)]
struct Class {
    calls: u64,
    served: Histogram<u64>,
    not_sent: u64,
    refused: u64,
    late: u64,
    failed: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Class::new())))
    }
}

impl Class {
    fn new() -> Self {
        Self {
            calls: 0,
            served: histogram(),
            not_sent: 0,
            refused: 0,
            late: 0,
            failed: 0,
        }
    }

    fn unserved(&self) -> u64 {
        self.not_sent + self.refused + self.late + self.failed
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in their order")
}

impl Tally {
    pub(super) fn begun(&self, class: usize) {
        self.0[class].lock().calls += 1;
    }

    pub(super) fn ended(&self, class: usize, took: Duration, result: Result<Bytes, CallError>) {
        let mut class = self.0[class].lock();
        let count = match result.map_err(|error| error.code()) {
            Ok(_) if took <= TIMEOUT => {
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                class.served.saturating_record(nanos);
                return;
            }
            Err(Code::CLIENT_OVERLOAD) => &mut class.not_sent,
            Err(Code::SERVER_OVERLOAD) => &mut class.refused,
            Ok(_) | Err(Code::CLIENT_TIMEOUT | Code::SERVER_TIMEOUT | Code::FULL_LINK_TIMEOUT) => {
                &mut class.late
            }
            Err(_) => &mut class.failed,
        };
        *count += 1;
    }

    /// Calls that have begun, were served in time, and have ended otherwise.
    #[must_use]
    pub fn now(&self) -> [u64; 3] {
        self.0.iter().fold([0; 3], |[begun, served, other], class| {
            let class = class.lock();
            [
                begun + class.calls,
                served + class.served.len(),
                other + class.unserved(),
            ]
        })
    }

    /// What became of this load, with what the service says of those that it has turned
    /// away.
    #[must_use]
    pub fn report(&self, load: Load, service: Option<&ControlStats>) -> OverloadReport {
        let mut report = OverloadReport {
            offered_per_second: load.per_second,
            capacity_per_second: CAPACITY,
            ..OverloadReport::default()
        };
        let mut served = histogram();
        for ((priority, name), class) in CLASSES.into_iter().zip(&self.0) {
            let class = class.lock();
            let at_service = service.iter().flat_map(|service| &service.classes);
            let there = { at_service }.find(|there| there.priority == priority);
            report.unanswered += class.calls - class.served.len() - class.unserved();
            let told = ClassReport {
                calls: class.calls,
                served: class.served.len(),
                latency_us: (&class.served).into(),
                not_sent: class.not_sent,
                refused: class.refused,
                late: class.late,
                failed: class.failed,
                by_service: there.map(TurnedAway::from).unwrap_or_default(),
            };
            report.classes.insert(name.to_owned(), told);
            served.add(&class.served).expect("the bounds are the same");
        }
        report.latency_us = (&served).into();
        report
    }
}

impl From<&ClassStats> for TurnedAway {
    fn from(class: &ClassStats) -> Self {
        Self {
            not_let_in: class.refused,
            shed: class.shed,
            no_room: class.full + class.displaced,
            expired: class.expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_too_late_is_not_served() {
        let tally = Tally::default();
        let ok = || Ok(Bytes::new());
        (0..5).for_each(|_| tally.begun(0));
        tally.ended(0, TIMEOUT, ok());
        tally.ended(0, TIMEOUT + Duration::from_nanos(1), ok());
        tally.ended(0, Duration::ZERO, Err(CallError::Timeout));
        tally.ended(0, Duration::ZERO, Err(CallError::Cancelled));
        let report = tally.report(Load::double(TIMEOUT), None);
        let urgent = &report.classes["urgent"];
        assert_eq!((urgent.served, urgent.late, urgent.failed), (1, 2, 1));
        assert_eq!(report.unanswered, 1);
    }
}
