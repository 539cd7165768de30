//! How long jobs wait: the recorder of a pool and the snapshot it gives.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use crate::histogram::{Histogram, Merged};
use crate::sync::Mutex;

/// The distribution of a duration over all jobs since the pool was built.
///
/// Quantiles are the middle of a histogram bucket, off by at most
/// [`RELATIVE_ERROR`](Self::RELATIVE_ERROR) of the true value (and half a
/// nanosecond); `count` is exact, and `max` as exact as the rate of the
/// processor's counter is known: to about 1 in 10,000. From 73 minutes on, quantiles
/// saturate and only `max` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelaySnapshot {
    /// How many durations were recorded.
    pub count: u64,
    /// Half of them were at most this long.
    pub p50: Duration,
    /// Nine in ten.
    pub p90: Duration,
    /// 99 in 100.
    pub p99: Duration,
    /// 999 in 1000.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

impl DelaySnapshot {
    /// How far a quantile may be from the true value, as a part of it: 1/64.
    pub const RELATIVE_ERROR: f64 = 1.0 / 64.0;
}

/// What one worker records.
pub(crate) struct Shard {
    queued: Histogram,
    ran: Histogram,
    /// Whether one worker at a time owns this shard.
    alone: bool,
}

impl Shard {
    #[inline]
    pub(crate) fn record_queued(&self, ticks: u64) {
        Self::record(&self.queued, self.alone, ticks);
    }

    #[inline]
    pub(crate) fn record_ran(&self, ticks: u64) {
        Self::record(&self.ran, self.alone, ticks);
    }

    #[inline]
    fn record(histogram: &Histogram, alone: bool, ticks: u64) {
        if alone {
            histogram.record_alone(ticks);
        } else {
            histogram.record_shared(ticks);
        }
    }
}

/// The shards of a pool. The first workers have one each; the others, up to
/// 50,000 of them, share as many again, because a shard takes 20 KB.
pub(crate) struct Recorder {
    shards: Mutex<Vec<Arc<Shard>>>,
    /// Workers with a shard of their own.
    most: usize,
    blocked: Option<Histogram>,
}

impl Recorder {
    pub(crate) fn new(records: bool) -> Self {
        let most = if cfg!(loom_models) {
            4
        } else {
            4 * std::thread::available_parallelism().map_or(4, NonZero::get)
        };
        Self {
            shards: Mutex::new(Vec::new()),
            most,
            blocked: records.then(Histogram::new),
        }
    }

    /// The shard for the worker at this seat. Seats are numbered from 0, made
    /// in that order, and taken by one worker at a time, which is what `alone`
    /// rests on. None in a pool that does not record.
    pub(crate) fn shard(&self, seat: usize) -> Option<Arc<Shard>> {
        self.blocked.as_ref()?;
        let mut shards = self.shards.lock();
        if seat < 2 * self.most {
            shards.push(Arc::new(Shard {
                queued: Histogram::new(),
                ran: Histogram::new(),
                alone: seat < self.most,
            }));
            return shards.last().cloned();
        }
        Some(Arc::clone(&shards[self.most + seat % self.most]))
    }

    /// Records how long a submitter was blocked.
    pub(crate) fn record_blocked(&self, ticks: u64) {
        if let Some(blocked) = &self.blocked {
            blocked.record_shared(ticks);
        }
    }

    pub(crate) fn queued(&self) -> Merged {
        let shards = self.shards.lock();
        Merged::of(shards.iter().map(|shard| &shard.queued))
    }

    pub(crate) fn ran(&self) -> Merged {
        let shards = self.shards.lock();
        Merged::of(shards.iter().map(|shard| &shard.ran))
    }

    pub(crate) fn blocked(&self) -> Merged {
        Merged::of(&self.blocked)
    }
}
