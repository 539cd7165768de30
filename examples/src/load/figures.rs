//! What the load did, as it goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::quantiles::Quantiles;

#[derive(Debug)]
struct Ended {
    latency: Histogram<u64>,
    /// Latencies since the last look.
    recent: Histogram<u64>,
    errors: BTreeMap<i32, u64>,
}

/// Figures of the calls, written by the driver and read by whoever shows them.
#[derive(Debug)]
pub struct CallFigures {
    begun: AtomicU64,
    host_points: AtomicU64,
    ended: Mutex<Ended>,
}

/// The figures at one moment.
#[derive(Clone, Debug, Default)]
pub struct CallSnapshot {
    /// Calls begun.
    pub begun: u64,
    /// Calls that ended, well or with an error.
    pub ended: u64,
    /// Readings of this machine that were sent.
    pub host_points: u64,
    /// From the moment a call was handed to the runtime to its answer.
    pub latency: Quantiles,
    /// The same, since the last [`CallFigures::recent`].
    pub recent: Quantiles,
    /// Calls that ended with an error, by code.
    pub errors: BTreeMap<i32, u64>,
}

impl Default for CallFigures {
    fn default() -> Self {
        let histogram = || {
            // From a nanosecond to a minute, to three digits.
            Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in their order")
        };
        let ended = Ended {
            latency: histogram(),
            recent: histogram(),
            errors: BTreeMap::new(),
        };
        Self {
            begun: AtomicU64::new(0),
            host_points: AtomicU64::new(0),
            ended: Mutex::new(ended),
        }
    }
}

impl CallFigures {
    /// A call begins, with this many readings of this machine.
    pub fn begin(&self, host_points: usize) {
        self.begun.fetch_add(1, Relaxed);
        self.host_points.fetch_add(host_points as u64, Relaxed);
    }

    /// A call ended `latency` after it was begun, with the code of its error if
    /// there was one.
    pub fn end(&self, latency: Duration, error: Option<i32>) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let mut ended = self.ended.lock();
        ended.latency.saturating_record(nanos);
        ended.recent.saturating_record(nanos);
        if let Some(code) = error {
            *ended.errors.entry(code).or_default() += 1;
        }
    }

    /// The figures of now.
    #[must_use]
    pub fn snapshot(&self) -> CallSnapshot {
        let ended = self.ended.lock();
        CallSnapshot {
            begun: self.begun.load(Relaxed),
            ended: ended.latency.len(),
            host_points: self.host_points.load(Relaxed),
            latency: (&ended.latency).into(),
            recent: (&ended.recent).into(),
            errors: ended.errors.clone(),
        }
    }

    /// The figures of now; the recent ones begin anew.
    #[must_use]
    pub fn recent(&self) -> CallSnapshot {
        let snapshot = self.snapshot();
        self.ended.lock().recent.reset();
        snapshot
    }
}
