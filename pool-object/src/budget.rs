//! The bound on idle objects, strict and without a count on the hit path.

use crate::sync::{AtomicUsize, Ordering};

/// The places for idle objects that nobody holds at the moment.
///
/// An object may be idle only in a place. Places are held by thread caches (in
/// batches, filled or not) and by the objects in the shards (one each), so
/// `free + held = limit` at all times, and idle objects can never exceed `limit`.
/// A cache moves objects in and out of the places that it holds without telling
/// anybody, which is why a hit touches nothing shared.
#[derive(Debug)]
pub(crate) struct Budget {
    free: AtomicUsize,
    /// What thread caches must leave for objects in the shards, so that threads
    /// that sleep on empty places cannot starve the ones that come later.
    kept_for_shards: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            free: AtomicUsize::new(limit),
            kept_for_shards: limit.div_ceil(4),
        }
    }

    /// Takes up to `wanted` places for a thread cache: at most half of what is
    /// free beyond the shards' share, so early threads leave some for late ones.
    pub(crate) fn take_for_cache(&self, wanted: usize) -> usize {
        self.take_with(|free| wanted.min(free.saturating_sub(self.kept_for_shards) / 2))
    }

    /// Takes one place for an object that goes to a shard.
    pub(crate) fn take_for_shard(&self) -> bool {
        self.take_with(|free| free.min(1)) == 1
    }

    pub(crate) fn give_back(&self, places: usize) {
        if places > 0 {
            self.free.fetch_add(places, Ordering::Relaxed);
        }
    }

    /// Relaxed throughout: places are a count. The objects that move in them are
    /// published by the shard's mutex.
    fn take_with(&self, share: impl Fn(usize) -> usize) -> usize {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            let places = share(free);
            if places == 0 {
                return 0;
            }
            match self.free.compare_exchange_weak(
                free,
                free - places,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return places,
                Err(now) => free = now,
            }
        }
    }
}
