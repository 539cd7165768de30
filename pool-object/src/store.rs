//! What a pool shares between threads, on the heap, made at first use.

use crate::{
    asymmetric,
    budget::Budget,
    cache::Cache,
    counters::Counters,
    gate::Inside,
    magazine::BATCH,
    object::{Idle, Object},
    shard::{SHARDS, Shards},
    slot::Slot,
    stats::Stats,
    sync::{Mutex, lock},
};
use std::{iter, ptr::NonNull};

/// The shards, the places, the list of thread caches and the shared counts of one
/// pool. No code of a caller runs in here: objects go in and out as pointers.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) shards: Shards,
    pub(crate) budget: Budget,
    pub(crate) caches: Mutex<Caches>,
    /// Events of threads without a cache and of threads that have ended.
    pub(crate) counters: Counters,
}

/// Owns the caches: each was leaked from a `Box` in [`Store::register`].
#[derive(Debug, Default)]
pub(crate) struct Caches(Vec<NonNull<Cache>>);

// SAFETY: a cache is touched according to the rules at `Cache`: its owner, who has
// a borrow of the pool or holds the registry's lock; others read its atomics under
// the list's lock, under which alone caches are freed.
unsafe impl Send for Caches {}

impl Caches {
    /// The caches, which stay as long as the list is borrowed, hence locked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Cache> + Clone {
        // SAFETY: caches are freed after they have left the list, which is borrowed.
        self.0.iter().map(|cache| unsafe { cache.as_ref() })
    }
}

impl Store {
    pub(crate) fn new(max_idle: usize) -> Self {
        Self {
            shards: Shards::default(),
            budget: Budget::new(max_idle),
            caches: Mutex::default(),
            counters: Counters::default(),
        }
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
        let mut objects = Vec::with_capacity(ended.idle().0);
        let mut empty = ended.retire_slots(|idle| objects.push(idle));
        empty += ended.magazine.narrow();
        ended.magazine.trim(true, |idle| objects.push(idle));
        self.budget.give_back(empty);
        self.shards.push(ended.home.get(), objects.into_iter());
        self.counters.hits_thread.add(ended.slot_hits());
        self.counters.absorb(&ended.counters);
        // Or its use, which is not over, would end in memory that is freed.
        if !ended.slots().any(Slot::is_lent) {
            // SAFETY: leaked from a `Box` in `register`, no longer in the list, and its
            // owner, the caller, gives it up.
            drop(unsafe { Box::from_raw(cache.as_ptr()) });
        }
    }

    /// Gives the thread's slot of a pool in a `static` a place and opens it, if there
    /// is a place to spare and sweeps can reach it; says whether it did.
    ///
    /// # Safety
    /// `cache` is in this store's list, the caller is its owner, and `front` belongs to
    /// no other and is good until the caller's thread has given its caches back.
    pub(crate) unsafe fn open_front(&self, cache: &Cache, front: NonNull<Slot>) -> bool {
        if cache.front().is_some() || self.budget.take_for_cache(1) == 0 {
            return false;
        }
        if !asymmetric::available() {
            self.budget.give_back(1);
            return false;
        }
        let _caches = lock(&self.caches);
        // SAFETY: good for so long, says the caller.
        unsafe { cache.set_front(front) };
        // SAFETY: good for now.
        unsafe { front.as_ref() }.open();
        true
    }

    /// Goes inside a cache's gate, after the sweep that is on, if one is. Owner only.
    fn enter<'a>(&self, cache: &'a Cache) -> Inside<'a> {
        loop {
            if let Some(inside) = cache.gate.enter() {
                return inside;
            }
            // Whoever has shut the gate holds this for as long.
            drop(lock(&self.caches));
        }
    }

    /// Takes an object from the shards, and a batch more into the cache, whose magazine
    /// is empty, unless a sweep kept its owner out. Counts the hit. Owner only.
    pub(crate) fn refill(&self, cache: &Cache) -> Option<Object> {
        let _inside = self.enter(cache);
        if let Some(object) = cache.pop() {
            return Some(object);
        }
        // A thread that has to come here gets more than it returns: the places it
        // holds would lie idle while the ones that return lack them.
        self.budget.give_back(cache.magazine.narrow());
        // Nor shall what once was in the slot stand above a bound that was lowered. It may
        // be there again: a sweep that kept the owner out puts back what it found in use.
        if self.budget.excess() > 0 && !cache.slot.is_full() {
            self.budget.give_back(cache.narrow_slot());
        }
        let home = cache.home.get();
        let mut first = None;
        let shard = self.shards.pop(home, BATCH, |idle| match first {
            None => {
                cache.magazine.widen(idle.weight);
                first = Some(idle.object);
            }
            Some(_) => {
                // All at once, where each alone would wait for it.
                idle.object.prefetch();
                cache.magazine.refill(idle);
            }
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
        self.shards.pop(0, 1, |idle| taken = Some(idle))?;
        taken.map(|idle| {
            self.budget.give_back(idle.weight);
            self.counters.hits_shard.add(1);
            idle.object
        })
    }

    /// Puts an object into a cache that is full: into more places, or after a batch
    /// has moved to the shards. Gives the object back if no place is left. Owner only.
    pub(crate) fn overflow(&self, cache: &Cache, idle: Idle) -> Result<(), Idle> {
        self.widen_slot(cache, idle.weight);
        let mut batch = [const { None }; BATCH];
        {
            let _inside = self.enter(cache);
            let mut spaces = batch.iter_mut();
            cache.magazine.spill(|idle| {
                *spaces.next().expect("space for a batch") = Some(idle);
            });
            let wanted = cache.magazine.wanted(idle.weight);
            cache.magazine.widen(self.budget.take_for_cache(wanted));
        }
        if batch[0].is_some() {
            self.shards
                .push(cache.home.get(), batch.into_iter().flatten());
        }
        cache
            .put(idle)
            .or_else(|idle| self.put(cache.home.get(), idle))
    }

    /// Gets a cache's slot the places for an object of this weight, if they can be had.
    fn widen_slot(&self, cache: &Cache, weight: usize) {
        let lacks = cache.slot_lacks(weight);
        let places = self.budget.take_for_cache(lacks);
        if places == lacks {
            cache.widen_slot(places);
        } else {
            self.budget.give_back(places);
        }
    }

    /// Puts an object into a shard, or gives it back if no place is left.
    pub(crate) fn put(&self, home: usize, idle: Idle) -> Result<(), Idle> {
        if self.budget.take_for_shard(idle.weight) {
            self.shards.push(home, iter::once(idle));
            Ok(())
        } else {
            Err(idle)
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
            cache.retire_slots(|idle| drained.push(idle));
            cache.magazine.trim(true, |idle| drained.push(idle));
        }
        drained.into_iter().map(|idle| idle.object).collect()
    }

    /// Merges the figures of all threads.
    pub(crate) fn stats(&self) -> Stats {
        // Under the list's lock, so that no cache moves what it holds and what it
        // counted into the shared part half way.
        let caches = lock(&self.caches);
        let mut stats = Stats::default();
        stats.include(&self.counters, self.shards.idle());
        for cache in caches.iter() {
            stats.include(&cache.counters, cache.idle());
            stats.hits.thread += cache.slot_hits() as u64;
        }
        stats
    }
}
