//! What a pool shares between threads, on the heap, made at first use.

use crate::{
    budget::Budget,
    cache::{BATCH, Cache, Epochs, MAGAZINE},
    counters::Counters,
    object::Object,
    registry::Stamp,
    shard::{SHARDS, Shards},
    stats::Stats,
    sync::{AtomicUsize, Mutex, Ordering, lock},
};
use std::{iter, ptr::NonNull, sync::atomic::AtomicU64};

/// The shards, the places, the list of thread caches and the shared counts of one
/// pool. No code of a caller runs in here: objects go in and out as pointers.
#[derive(Debug)]
pub(crate) struct Store {
    /// The stamp it was entered in the registry with; written under its lock.
    birth: AtomicU64,
    shards: Shards,
    budget: Budget,
    caches: Mutex<Caches>,
    /// Events of threads without a cache and of threads that have ended.
    pub(crate) counters: Counters,
    clears: AtomicUsize,
    trims: AtomicUsize,
}

/// Owns the caches: each was leaked from a `Box` in [`Store::register`].
#[derive(Debug, Default)]
struct Caches(Vec<NonNull<Cache>>);

// SAFETY: a cache is touched according to the rules at `Cache`: its owner, who has
// a borrow of the pool or holds the registry's lock; others read its atomics under
// the list's lock, under which alone caches are freed.
unsafe impl Send for Caches {}

impl Store {
    pub(crate) fn new(max_idle: usize) -> Self {
        Self {
            birth: AtomicU64::new(Stamp::NONE.0),
            shards: Shards::default(),
            budget: Budget::new(max_idle),
            caches: Mutex::default(),
            counters: Counters::default(),
            clears: AtomicUsize::new(0),
            trims: AtomicUsize::new(0),
        }
    }

    pub(crate) fn birth(&self) -> Option<Stamp> {
        match Stamp(self.birth.load(Ordering::Relaxed)) {
            Stamp::NONE => None,
            birth => Some(birth),
        }
    }

    pub(crate) fn set_birth(&self, birth: Stamp) {
        self.birth.store(birth.0, Ordering::Relaxed);
    }

    /// A cache for the calling thread, with a place for its slot; `None` if there
    /// is no place to spare.
    pub(crate) fn register(&self) -> Option<NonNull<Cache>> {
        if self.budget.take_for_cache(1) == 0 {
            return None;
        }
        let mut caches = lock(&self.caches);
        let position = caches.0.len();
        let cache = Cache::new(position % SHARDS);
        cache.position.set(position);
        cache.seen.set(self.epochs());
        let cache = NonNull::from(Box::leak(Box::new(cache)));
        caches.0.push(cache);
        Some(cache)
    }

    /// Takes the cache of an ending thread back: objects, places and figures.
    ///
    /// Every object has its place already, so all of them fit and none has to be
    /// dropped here, where a lock is held.
    ///
    /// # Safety
    /// `cache` is in this store's list, and the caller is its owner and will not use
    /// it again.
    pub(crate) unsafe fn retire(&self, cache: NonNull<Cache>) {
        let mut caches = lock(&self.caches);
        // SAFETY: caches are freed here, once, and as the pool is dropped, which
        // waits for the caller (it holds the registry's lock).
        let ended = unsafe { cache.as_ref() };
        let position = ended.position.get();
        caches.0.swap_remove(position);
        if let Some(moved) = caches.0.get(position) {
            // SAFETY: in the list, hence alive; `position` is guarded by its lock.
            unsafe { moved.as_ref() }.position.set(position);
        }
        let places = ended.room() + 1;
        let objects = ended.drain();
        self.budget.give_back(places - objects.len());
        self.shards.push(ended.home.get(), objects.into_iter());
        self.counters.absorb(&ended.counters);
        // SAFETY: leaked from a `Box` in `register`, no longer in the list, and its
        // owner, the caller, gives it up.
        drop(unsafe { Box::from_raw(cache.as_ptr()) });
    }

    /// Takes an object from the shards, and a batch more into the cache, whose
    /// magazine is empty. Counts the hit.
    pub(crate) fn refill(&self, cache: &Cache) -> Option<Object> {
        // A thread that has to come here gets more than it returns: the places it
        // holds would lie idle while the ones that return lack them.
        self.budget.give_back(cache.narrow());
        let home = cache.home.get();
        let mut first = None;
        let (shard, _) = self.shards.pop(home, BATCH, |object| match first {
            None => {
                first = Some(object);
                cache.widen(1);
            }
            Some(_) => cache.refill(object),
        })?;
        if shard == home {
            cache.counters.hits_shard.bump();
        } else {
            cache.counters.hits_stolen.bump();
            cache.home.set(shard);
        }
        first
    }

    /// Takes an object from the shards for a thread without a cache.
    pub(crate) fn take(&self) -> Option<Object> {
        let mut taken = None;
        self.shards.pop(0, 1, |object| taken = Some(object))?;
        self.budget.give_back(1);
        self.counters.hits_shard.add(1);
        taken
    }

    /// Puts an object into a cache that is full: into more places, or after a batch
    /// has moved to the shards. Gives the object back if no place is left.
    pub(crate) fn overflow(&self, cache: &Cache, object: Object) -> Result<(), Object> {
        if cache.room() == MAGAZINE {
            self.shards
                .push(cache.home.get(), cache.spill().into_iter());
        }
        let wanted = BATCH.min(MAGAZINE - cache.room());
        cache.widen(self.budget.take_for_cache(wanted));
        cache
            .put(object)
            .or_else(|object| self.put(cache.home.get(), object))
    }

    /// Puts an object into a shard, or gives it back if no place is left.
    pub(crate) fn put(&self, home: usize, object: Object) -> Result<(), Object> {
        if self.budget.take_for_shard() {
            self.shards.push(home, iter::once(object));
            Ok(())
        } else {
            Err(object)
        }
    }

    /// Takes everything out of the shards.
    pub(crate) fn clear(&self) -> Vec<Object> {
        self.clears.fetch_add(1, Ordering::Relaxed);
        self.freed(self.shards.drain())
    }

    /// Takes out of the shards what was not used since the last trim.
    pub(crate) fn trim(&self) -> Vec<Object> {
        self.trims.fetch_add(1, Ordering::Relaxed);
        self.freed(self.shards.trim())
    }

    fn freed(&self, objects: Vec<Object>) -> Vec<Object> {
        self.budget.give_back(objects.len());
        objects
    }

    /// Takes out of a cache what the clears and trims would have dropped that came
    /// since its owner last used it.
    pub(crate) fn age(&self, cache: &Cache) -> Vec<Object> {
        let (now, seen) = (self.epochs(), cache.seen.get());
        // Any use after a trim follows that trim; so of two trims that passed
        // unfollowed, nothing here was used between.
        if now.clears != seen.clears || now.trims.wrapping_sub(seen.trims) >= 2 {
            let aged = cache.drain();
            self.budget.give_back(cache.narrow());
            aged
        } else {
            Vec::new()
        }
    }

    /// The same as its owner uses it again.
    pub(crate) fn follow(&self, cache: &Cache) -> Vec<Object> {
        let aged = self.age(cache);
        cache.seen.set(self.epochs());
        aged
    }

    pub(crate) fn epochs(&self) -> Epochs {
        Epochs {
            clears: self.clears.load(Ordering::Relaxed),
            trims: self.trims.load(Ordering::Relaxed),
        }
    }

    /// Takes out everything that is idle, and frees the caches.
    ///
    /// # Safety
    /// The pool is being dropped: it has left the registry, and nobody borrows it.
    pub(crate) unsafe fn drain(&self) -> Vec<Object> {
        let mut drained = self.shards.drain();
        for cache in lock(&self.caches).0.drain(..) {
            // SAFETY: leaked from a `Box` in `register` and still in the list, so not
            // freed. No owner will touch it again: none borrows the pool, and none
            // that ends will find it.
            let cache = unsafe { Box::from_raw(cache.as_ptr()) };
            drained.append(&mut cache.drain());
        }
        drained
    }

    /// Merges the figures of all threads.
    pub(crate) fn stats(&self) -> Stats {
        // Under the list's lock, so that no cache moves what it holds and what it
        // counted into the shared part half way.
        let caches = lock(&self.caches);
        let mut stats = Stats::default();
        stats.include(&self.counters, self.shards.len());
        for cache in &caches.0 {
            // SAFETY: in the list, under its lock, hence alive.
            let cache = unsafe { cache.as_ref() };
            stats.include(&cache.counters, cache.idle());
        }
        stats
    }
}
