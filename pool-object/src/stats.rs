//! A pool's figures.

use crate::counters::{Count, Counters};

/// What a pool did since it was made, over all threads.
///
/// Merged as it is read, from counts that each thread keeps for itself. While
/// other threads use the pool it is a moment's blur; once they rest it is exact.
///
/// ```
/// use pool_object::{Pool, Stats};
///
/// let pool = Pool::new(String::new).max_idle(3);
/// drop([(); 4].map(|()| pool.get()));
/// drop(pool.get());
/// let Stats { hits, misses, dropped, idle, .. } = pool.stats();
/// assert_eq!((hits.total(), misses, dropped.full, idle), (1, 4, 1, 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Objects handed out that were idle before.
    pub hits: Hits,
    /// Objects handed out that had to be made.
    pub misses: u64,
    /// Objects made ahead of use by `prewarm`.
    pub prewarmed: u64,
    /// Those of them that were kept, and so were idle without having come back.
    kept_ahead: u64,
    /// Objects dropped instead of kept, by reason.
    pub dropped: Dropped,
    /// Objects that are idle now.
    pub idle: u64,
    /// What they weigh together, by [`Policy::weigh`](crate::Policy::weigh): as many
    /// if that says nothing, bytes if it says bytes. What is in a thread's slot counts
    /// as the heaviest object that was in it.
    pub idle_weight: u64,
}

/// Where objects that were reused were found.
///
/// ```
/// # use pool_object::{Hits, Pool};
/// let pool = Pool::new(String::new);
/// pool.prewarm(1);
/// drop(pool.get());
/// drop(pool.get());
/// let Hits { thread, shard, stolen, .. } = pool.stats().hits;
/// assert_eq!((thread, shard, stolen), (1, 1, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hits {
    /// In the thread's own cache: no lock, no locked instruction.
    pub thread: u64,
    /// In the shard that the thread trades with.
    pub shard: u64,
    /// In another shard.
    pub stolen: u64,
}

/// Why objects were dropped.
///
/// ```
/// # use pool_object::Pool;
/// let pool = Pool::with_reset(String::new, |name| name.capacity() < 100);
/// pool.get().reserve(1000);
/// drop(pool.get());
/// pool.clear();
/// let dropped = pool.stats().dropped;
/// assert_eq!((dropped.refused, dropped.aged, dropped.total()), (1, 1, 2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// It was one too many for the bound on idle objects.
    pub full: u64,
    /// It weighed more than the bound on what may be idle had left, which a lighter one
    /// might have met: an object of a pool that [weighs](crate::Policy::weigh), unless
    /// its weight was 1, or a buffer, of a size that has used up its share of the bytes.
    pub byte_budget: u64,
    /// The policy's reset said not to keep it.
    pub refused: u64,
    /// A panic passed while it was out, or its reset or weighing panicked.
    pub panicked: u64,
    /// It was larger than what the pool keeps (a `BufferPool` only).
    pub oversized: u64,
    /// `clear` or `trim` took it while it was idle.
    pub aged: u64,
    /// `set_max_idle` took it while it was idle, for it was beyond the new bound; of
    /// buffers also a trim that dealt their bytes to other sizes.
    pub lowered: u64,
}

impl Hits {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.thread + self.shard + self.stolen
    }
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.full
            + self.byte_budget
            + self.refused
            + self.panicked
            + self.oversized
            + self.aged
            + self.lowered
    }
}

impl Stats {
    /// Objects that came back and were kept.
    ///
    /// Not counted where it happens, for it follows from the rest: what became
    /// idle is idle still, or was handed out again, or was dropped while idle.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// drop((pool.get(), pool.get()));
    /// assert_eq!(pool.stats().returned(), 2);
    /// ```
    #[must_use]
    pub const fn returned(&self) -> u64 {
        let was_idle = self.hits.total() + self.dropped.aged + self.dropped.lowered + self.idle;
        // Counts that are read while others change them may not add up for a moment.
        was_idle.saturating_sub(self.kept_ahead)
    }

    /// The share of objects handed out that were reused, from 0 to 1; 0 if none was.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// (0..4).for_each(|_| drop(pool.get()));
    /// assert_eq!(pool.stats().hit_rate(), 0.75);
    /// ```
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn hit_rate(&self) -> f64 {
        let out = self.hits.total() + self.misses;
        if out == 0 {
            0.0
        } else {
            self.hits.total() as f64 / out as f64
        }
    }

    /// Adds the figures of one thread.
    pub(crate) fn include(&mut self, counters: &Counters, (idle, weight): (usize, usize)) {
        let count = |count: &Count| count.get() as u64;
        *self = *self
            + Self {
                hits: Hits {
                    thread: count(&counters.hits_thread),
                    shard: count(&counters.hits_shard),
                    stolen: count(&counters.hits_stolen),
                },
                misses: count(&counters.misses),
                prewarmed: count(&counters.prewarmed),
                kept_ahead: count(&counters.kept_ahead),
                dropped: Dropped {
                    full: count(&counters.full),
                    byte_budget: count(&counters.byte_budget),
                    refused: count(&counters.refused),
                    panicked: count(&counters.panicked),
                    oversized: 0,
                    aged: count(&counters.aged),
                    lowered: count(&counters.lowered),
                },
                idle: idle as u64,
                idle_weight: weight as u64,
            };
    }
}

/// The figures of two pools together.
impl std::ops::Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hits: Hits {
                thread: self.hits.thread + other.hits.thread,
                shard: self.hits.shard + other.hits.shard,
                stolen: self.hits.stolen + other.hits.stolen,
            },
            misses: self.misses + other.misses,
            prewarmed: self.prewarmed + other.prewarmed,
            kept_ahead: self.kept_ahead + other.kept_ahead,
            dropped: Dropped {
                full: self.dropped.full + other.dropped.full,
                byte_budget: self.dropped.byte_budget + other.dropped.byte_budget,
                refused: self.dropped.refused + other.dropped.refused,
                panicked: self.dropped.panicked + other.dropped.panicked,
                oversized: self.dropped.oversized + other.dropped.oversized,
                aged: self.dropped.aged + other.dropped.aged,
                lowered: self.dropped.lowered + other.dropped.lowered,
            },
            idle: self.idle + other.idle,
            idle_weight: self.idle_weight + other.idle_weight,
        }
    }
}
