//! A pool with its type erased: the fast path, and the way off it.

use crate::{
    cache::Cache,
    counters::{Count, Counters},
    object::Object,
    registry::{self, Stamp},
    stats::Stats,
    store::Store,
    thread,
};
use once_cell::race::OnceBox;
use std::sync::atomic::{AtomicU64, Ordering};

/// Drops objects as the type they are of.
///
/// # Safety
/// The objects are of the type that the function was made for.
pub(crate) type Discard = unsafe fn(Vec<Object>);

/// Keeps idle objects of one type that it does not know.
#[derive(Debug)]
pub(crate) struct Depot {
    /// The present [`Stamp`]. Relaxed everywhere: a thread compares it with what it
    /// wrote itself; whoever sees an old one only leaves the fast path.
    stamp: AtomicU64,
    max_idle: usize,
    discard: Discard,
    store: OnceBox<Store>,
}

impl Depot {
    /// # Safety
    /// Every object that will be put in is one that `discard` may be called with, on
    /// any thread that uses the depot, until it is dropped.
    pub(crate) const unsafe fn new(max_idle: usize, discard: Discard) -> Self {
        Self {
            stamp: AtomicU64::new(Stamp::NONE.0),
            max_idle,
            discard,
            store: OnceBox::new(),
        }
    }

    pub(crate) const fn set_max_idle(&mut self, max_idle: usize) {
        self.max_idle = max_idle;
    }

    pub(crate) const fn max_idle(&self) -> usize {
        self.max_idle
    }

    /// The object in this thread's slot, if there is one: the hit path, and all of
    /// it that is worth inlining into every caller. Counts the hit.
    #[inline(always)]
    pub(crate) fn take_slot(&self) -> Option<Object> {
        self.cache()?.take_slot()
    }

    /// Keeps an object in this thread's slot, or gives it back if that is full.
    #[inline(always)]
    pub(crate) fn put_slot(&self, object: Object) -> Result<(), Object> {
        match self.cache() {
            Some(cache) => cache.put_slot(object),
            None => Err(object),
        }
    }

    /// An idle object, if one is within reach. Counts the hit.
    #[inline]
    pub(crate) fn take(&self) -> Option<Object> {
        match self.cache().and_then(Cache::take) {
            Some(object) => Some(object),
            None => self.take_off_the_fast_path(),
        }
    }

    /// Keeps an object, or gives it back if no place is left.
    #[inline]
    pub(crate) fn put(&self, object: Object) -> Result<(), Object> {
        match self.cache() {
            Some(cache) => match cache.put(object) {
                Ok(()) => Ok(()),
                Err(object) => self.put_off_the_fast_path(object),
            },
            None => self.put_off_the_fast_path(object),
        }
    }

    /// This thread's cache, if it has one that bears the present stamp.
    #[inline(always)]
    fn cache(&self) -> Option<&Cache> {
        let cache = thread::find(self.stamp())?;
        // SAFETY: the entry bears the stamp of this pool, which is borrowed, hence
        // alive; so the cache is freed only as this very thread ends.
        Some(unsafe { cache.as_ref() })
    }

    #[inline(always)]
    fn stamp(&self) -> Stamp {
        Stamp(self.stamp.load(Ordering::Relaxed))
    }

    #[cold]
    #[inline(never)]
    fn take_off_the_fast_path(&self) -> Option<Object> {
        let store = self.store();
        match self.enter() {
            // Not always empty: it may just have got the new stamp.
            Some(cache) => cache.take().or_else(|| store.refill(cache)),
            None => store.take(),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_off_the_fast_path(&self, object: Object) -> Result<(), Object> {
        let store = self.store();
        match self.enter() {
            Some(cache) => cache
                .put(object)
                .or_else(|object| store.overflow(cache, object)),
            None => store.put(0, object),
        }
    }

    /// Puts an object where every thread finds it.
    pub(crate) fn put_shared(&self, home: usize, object: Object) -> Result<(), Object> {
        self.store().put(home, object)
    }

    /// This thread's cache, with one made if it has none and may have one, and
    /// with the clears and trims since it was last here carried out.
    fn enter(&self) -> Option<&Cache> {
        if let Some(cache) = self.cache() {
            return Some(cache);
        }
        let store = self.store();
        let cache = thread::enter(store.birth()?, self.stamp(), || store.register())?;
        // SAFETY: as in `cache`.
        let cache = unsafe { cache.as_ref() };
        self.discard(store.follow(cache));
        Some(cache)
    }

    /// The store, made and entered in the registry if this is the first use.
    fn store(&self) -> &Store {
        let store = self
            .store
            .get_or_init(|| Box::new(Store::new(self.max_idle)));
        if self.stamp() == Stamp::NONE
            && let Some(birth) = registry::enrol(store)
        {
            // Whoever comes second finds a stamp, be it this one or a newer.
            let _ = self.stamp.compare_exchange(
                Stamp::NONE.0,
                birth.0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        store
    }

    /// Drops what is idle in the shards and in this thread's cache, and has the
    /// other threads drop theirs when they next come by.
    #[cold]
    pub(crate) fn clear(&self) {
        self.sweep(Store::clear);
    }

    /// The same for what two sweeps in a row find unused.
    #[cold]
    pub(crate) fn trim(&self) {
        self.sweep(Store::trim);
    }

    fn sweep(&self, take_out: impl FnOnce(&Store) -> Vec<Object>) {
        let Some(store) = self.store.get() else {
            return;
        };
        let swept = take_out(store);
        if let Some(birth) = store.birth()
            && let Some(stamp) = registry::renew(birth)
        {
            self.stamp.store(stamp.0, Ordering::Relaxed);
        }
        self.discard(swept);
        // Not `enter`: to sweep is not to use.
        if let Some(cache) = store.birth().and_then(thread::known) {
            // SAFETY: as in `cache`.
            self.discard(store.age(unsafe { cache.as_ref() }));
        }
    }

    /// Drops objects that were idle too long. Nothing is locked or borrowed here, so
    /// their destructors may use the pool.
    fn discard(&self, objects: Vec<Object>) {
        if objects.is_empty() {
            return;
        }
        self.count(|counters| &counters.aged, objects.len());
        // SAFETY: what was put in may be discarded, see `new`.
        unsafe { (self.discard)(objects) };
    }

    /// Counts something that did not happen on the hit path.
    #[cold]
    pub(crate) fn count(&self, event: impl Fn(&Counters) -> &Count, n: usize) {
        match self.cache() {
            Some(cache) => event(&cache.counters).bump_by(n),
            None => event(&self.store().counters).add(n),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.store.get().map(Store::stats).unwrap_or_default()
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        if let Some(store) = self.store.get() {
            if let Some(birth) = store.birth() {
                registry::strike(birth);
            }
            // SAFETY: the pool is out of the registry, and `&mut self` says that
            // nobody borrows it.
            let idle = unsafe { store.drain() };
            // SAFETY: what was put in may be discarded, see `new`.
            unsafe { (self.discard)(idle) };
        }
    }
}
