//! Event counts that cost their writer no locked instruction. Hits in a slot are not
//! among them: the slot counts its own.

use crate::sync::{AtomicUsize, Ordering};

/// A count with one writer at a time, readable from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    /// Adds one; only for the thread that owns the count. A load and a store, not a
    /// read-modify-write, so a hit past the slot has no `lock` prefix for it either.
    #[inline(always)]
    pub(crate) fn bump(&self) {
        self.bump_by(1);
    }

    /// Adds `n`; only for the thread that owns the count.
    #[inline(always)]
    pub(crate) fn bump_by(&self, n: usize) {
        let next = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(next, Ordering::Relaxed);
    }

    /// Adds `n`, whoever else does so too.
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident),+ $(,)?) => {
        /// What happens off the hit path, counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $event: Count),+ }

        impl Counters {
            /// Takes over what a cache counted, as its thread ends.
            pub(crate) fn absorb(&self, ended: &Self) {
                $(self.$event.add(ended.$event.get());)+
            }
        }
    };
}

events! {
    /// Hits in the thread's magazine.
    hits_thread,
    /// Hits in the shard that the thread calls home.
    hits_shard,
    /// Hits in another shard.
    hits_stolen,
    /// Objects made because none was idle.
    misses,
    /// Objects made ahead of use.
    prewarmed,
    /// Those of them that were kept: idle without having come back.
    kept_ahead,
    /// Dropped: no place was left.
    full,
    /// Dropped: not as many places were left as it weighed.
    byte_budget,
    /// Dropped: the policy refused it.
    refused,
    /// Dropped: a panic passed while it was out, or its reset or weighing panicked.
    panicked,
    /// Dropped: cleared or trimmed while idle.
    aged,
    /// Dropped: beyond a bound that was lowered while it was idle.
    lowered,
}
