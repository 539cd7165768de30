//! The eight figures of a client, as the notes list them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// What is greater is recorded as this: an hour in microseconds, 4 GiB.
const MOST: u64 = 1 << 32;

/// Why the connections of a client have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Update {
    /// A server was discovered.
    Added,
    /// A server has gone.
    Removed,
    /// A server does not answer; others are asked.
    Down,
    /// A server that did not answer does again.
    Recovered,
    /// No server was discovered: those that are known were kept.
    KeptOnEmpty,
    /// Servers could not be discovered: those that are known were kept.
    KeptOnError,
}

/// What a client did. A batch is what went with one call.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClientFigures {
    /// Attempts that failed, by code.
    pub errors: BTreeMap<i32, u64>,
    /// Calls made again, by the server that failed before.
    pub retries: BTreeMap<SocketAddr, u64>,
    /// Attempts without an answer in time, by server.
    pub timeouts: BTreeMap<SocketAddr, u64>,
    /// Calls that ended, by code; 0 is success.
    pub messages: BTreeMap<i32, u64>,
    /// Changes of the connections, by reason.
    pub updates: BTreeMap<Update, u64>,
    /// Calls that wait for their answer, by server.
    pub pending: BTreeMap<SocketAddr, u64>,
    /// The size of batches, in bytes.
    pub batch_bytes: Quantities,
    /// How long batches took, in microseconds, retries included.
    pub batch_micros: Quantities,
}

/// How a quantity is distributed, to one part in a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quantities {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
}

/// The figures as they are counted.
pub(super) struct Counts(Mutex<State>);

struct State {
    figures: ClientFigures,
    bytes: Histogram<u64>,
    micros: Histogram<u64>,
}

impl Counts {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new_with_max(MOST, 2).expect("two digits are allowed");
        Self(Mutex::new(State {
            figures: ClientFigures::default(),
            bytes: histogram(),
            micros: histogram(),
        }))
    }

    pub(super) fn failed(&self, code: i32) {
        *self.0.lock().figures.errors.entry(code).or_default() += 1;
    }

    pub(super) fn timed_out(&self, addr: SocketAddr) {
        *self.0.lock().figures.timeouts.entry(addr).or_default() += 1;
    }

    pub(super) fn retried(&self, addr: SocketAddr) {
        *self.0.lock().figures.retries.entry(addr).or_default() += 1;
    }

    pub(super) fn updated(&self, update: Update) {
        *self.0.lock().figures.updates.entry(update).or_default() += 1;
    }

    /// A call has ended.
    pub(super) fn ended(&self, code: i32, bytes: usize, took: Duration) {
        let mut state = self.0.lock();
        *state.figures.messages.entry(code).or_default() += 1;
        state.bytes.saturating_record(bytes as u64);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        state.micros.saturating_record(micros);
    }

    pub(super) fn figures(&self) -> ClientFigures {
        let state = self.0.lock();
        ClientFigures {
            batch_bytes: quantities(&state.bytes),
            batch_micros: quantities(&state.micros),
            ..state.figures.clone()
        }
    }
}

fn quantities(histogram: &Histogram<u64>) -> Quantities {
    let at = |part| histogram.value_at_quantile(part);
    Quantities {
        count: histogram.len(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: histogram.max(),
    }
}
