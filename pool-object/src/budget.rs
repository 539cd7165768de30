//! The bound on idle objects, strict and without a count on the hit path.

use crate::sync::{AtomicIsize, AtomicUsize, Ordering};

/// The places for idle objects that nobody holds at the moment.
///
/// An object may be idle only in as many places as it weighs, one unless the policy
/// says otherwise. Places are held by thread caches (in batches, filled or not) and by
/// the objects in the shards, so `free + held = limit` at all times, and what is idle
/// can never exceed `limit`. A cache moves objects in and out of the places that it
/// holds without telling anybody, which is why a hit touches nothing shared.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Below 0 after the limit was lowered, until as much was given back.
    free: AtomicIsize,
    limit: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(isize::MAX as usize);
        Self {
            free: AtomicIsize::new(limit.cast_signed()),
            limit: AtomicUsize::new(limit),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets the limit anew; what is held stays so.
    pub(crate) fn set_limit(&self, limit: usize) {
        let limit = limit.min(isize::MAX as usize);
        let before = self.limit.swap(limit, Ordering::Relaxed);
        self.free.fetch_add(
            limit.cast_signed() - before.cast_signed(),
            Ordering::Relaxed,
        );
    }

    /// Places that must be given back before the limit holds again.
    pub(crate) fn excess(&self) -> usize {
        self.free.load(Ordering::Relaxed).min(0).unsigned_abs()
    }

    /// Takes up to `wanted` places for a thread cache: at most half of what is
    /// free beyond the shards' share, so early threads leave some for late ones.
    pub(crate) fn take_for_cache(&self, wanted: usize) -> usize {
        // What thread caches must leave for objects in the shards, so that threads
        // that sleep on empty places cannot starve the ones that come later.
        let kept_for_shards = self.limit().div_ceil(4);
        self.take_with(|free| wanted.min(free.saturating_sub(kept_for_shards) / 2))
    }

    /// Takes so many places for an object that goes to a shard, or none.
    pub(crate) fn take_for_shard(&self, weight: usize) -> bool {
        self.take_with(|free| if free < weight { 0 } else { weight }) > 0
    }

    /// Whether an object of weight 1 could go to a shard. As of a moment ago.
    pub(crate) fn has_place(&self) -> bool {
        self.free.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn give_back(&self, places: usize) {
        if places > 0 {
            self.free.fetch_add(places.cast_signed(), Ordering::Relaxed);
        }
    }

    /// Relaxed throughout: places are a count. The objects that move in them are
    /// published by the shard's mutex.
    fn take_with(&self, share: impl Fn(usize) -> usize) -> usize {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            let places = share(usize::try_from(free).unwrap_or(0));
            if places == 0 {
                return 0;
            }
            match self.free.compare_exchange_weak(
                free,
                free - places.cast_signed(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return places,
                Err(now) => free = now,
            }
        }
    }
}
