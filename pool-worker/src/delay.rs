//! How long jobs wait: the recorder of a pool.

use std::num::NonZero;
use std::sync::Arc;

use crate::histogram::{Histogram, Merged};
use crate::sync::Mutex;

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
    /// How long jobs waited that no worker has taken.
    displaced: Option<Histogram>,
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
            displaced: records.then(Histogram::new),
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

    /// Records how long a job waited that made room for another.
    pub(crate) fn record_displaced(&self, ticks: u64) {
        if let Some(displaced) = &self.displaced {
            displaced.record_shared(ticks);
        }
    }

    pub(crate) fn queued(&self) -> Merged {
        let shards = self.shards.lock();
        Merged::of(
            shards
                .iter()
                .map(|shard| &shard.queued)
                .chain(&self.displaced),
        )
    }

    pub(crate) fn ran(&self) -> Merged {
        let shards = self.shards.lock();
        Merged::of(shards.iter().map(|shard| &shard.ran))
    }

    pub(crate) fn blocked(&self) -> Merged {
        Merged::of(&self.blocked)
    }
}
