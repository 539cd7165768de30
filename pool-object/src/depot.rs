//! A pool with its type erased: the fast path, and the way off it.

use crate::{
    ageing::{Ageing, PRESSURE_PERIOD, REFUSALS},
    cache::Cache,
    counters::{Count, Counters},
    object::{Idle, Object},
    registry,
    slot::Slot,
    stamp::Stamp,
    stats::Stats,
    store::Store,
    sweep::Sweep,
    thread,
};
use once_cell::race::OnceBox;
use std::{
    mem,
    ptr::NonNull,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// Drops objects as the type they are of.
///
/// # Safety
/// The objects are of the type that the function was made for.
pub(crate) type Discard = unsafe fn(Vec<Object>);

/// Keeps idle objects of one type that it does not know.
#[derive(Debug)]
pub(crate) struct Depot {
    /// The [`Stamp`], once it has one; written under the registry's lock. Relaxed
    /// everywhere: a thread compares it with what it wrote itself; who sees none only
    /// leaves the fast path.
    stamp: AtomicU64,
    /// The bound, until the store has it.
    max_idle: AtomicUsize,
    ageing: Ageing,
    pressure_period: Duration,
    refusals: AtomicUsize,
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
            max_idle: AtomicUsize::new(max_idle),
            ageing: Ageing::new(None),
            pressure_period: PRESSURE_PERIOD,
            refusals: AtomicUsize::new(0),
            discard,
            store: OnceBox::new(),
        }
    }

    /// # Panics
    /// If it was used: the store has the bound then, and is out of reach in here.
    pub(crate) const fn init_max_idle(&mut self, max_idle: usize) {
        let stamp = mem::replace(&mut self.stamp, AtomicU64::new(Stamp::NONE.0)).into_inner();
        // Whoever catches the panic drops a pool that is in the registry.
        self.stamp = AtomicU64::new(stamp);
        assert!(
            stamp == Stamp::NONE.0,
            "a pool in use is bounded anew by `set_max_idle` or `set_max_idle_bytes`"
        );
        self.max_idle = AtomicUsize::new(max_idle);
    }

    pub(crate) const fn init_trim_period(&mut self, period: Duration) {
        self.ageing = Ageing::new(Some(period));
    }

    pub(crate) const fn init_pressure_period(&mut self, period: Duration) {
        self.pressure_period = period;
    }

    pub(crate) fn max_idle(&self) -> usize {
        match self.store.get() {
            Some(store) => store.budget.limit(),
            None => self.max_idle.load(Ordering::Relaxed),
        }
    }

    /// Sets the bound anew, and drops what is idle beyond it.
    #[cold]
    pub(crate) fn set_max_idle(&self, max_idle: usize) {
        let store = self.store();
        store.budget.set_limit(max_idle);
        let swept = store.sweep_excess(self.birth().and_then(thread::find));
        self.discard(swept, |counters| &counters.lowered);
    }

    /// Places that threads hold beyond the bound, which was lowered.
    #[cfg(feature = "bytes")]
    pub(crate) fn excess(&self) -> usize {
        self.store.get().map_or(0, |store| store.budget.excess())
    }

    /// The object in this thread's slot, if there is one: the hit path, and all of
    /// it that is worth inlining into every caller. Counts the hit.
    ///
    /// Now and then there is none though there is, so that [`take`](Self::take) gets to
    /// see a thread that needs nothing else.
    #[inline(always)]
    pub(crate) fn take_slot(&self) -> Option<Object> {
        self.cache()?.slot.take_often()
    }

    /// Keeps an object in this thread's slot, or gives it back if that is full.
    #[inline(always)]
    pub(crate) fn put_slot(&self, idle: Idle) -> Result<(), Idle> {
        match self.cache() {
            Some(cache) => cache.put_slot(idle),
            None => Err(idle),
        }
    }

    /// An idle object, if one is within reach. Counts the hit.
    ///
    /// Calls `now_and_then` where it is cheap to look at the time: for a hit that
    /// [`take_slot`](Self::take_slot) passed by, and off the fast path.
    #[inline]
    pub(crate) fn take(&self, now_and_then: impl Fn()) -> Option<Object> {
        if let Some(cache) = self.cache() {
            // First the time: a trim drops objects, which may panic, and would lose the
            // one in hand.
            if cache.slot.is_full() {
                now_and_then();
                if let Some(object) = cache.slot.take() {
                    return Some(object);
                }
            }
            if cache.is_often_past_the_slot() {
                now_and_then();
            }
            if let Some(object) = cache.take_past_the_slot() {
                return Some(object);
            }
        }
        now_and_then();
        self.take_off_the_fast_path()
    }

    /// Drops what was unused since the last trim.
    pub(crate) fn trim(&self) {
        self.ageing.restart();
        self.sweep(Sweep::Unused);
    }

    /// Trims if that is due.
    #[inline]
    pub(crate) fn look_at_the_time(&self) {
        if self.ageing.is_due() {
            self.sweep(Sweep::Unused);
        }
    }

    /// Keeps an object, or gives it back if no place is left.
    #[inline]
    pub(crate) fn put(&self, idle: Idle) -> Result<(), Idle> {
        match self.cache() {
            Some(cache) => match cache.put(idle) {
                Ok(()) => Ok(()),
                Err(idle) => self.put_off_the_fast_path(idle),
            },
            None => self.put_off_the_fast_path(idle),
        }
    }

    /// This thread's cache, if it is near.
    #[inline(always)]
    pub(crate) fn cache(&self) -> Option<&Cache> {
        let cache = thread::find_near(self.stamp())?;
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
            // Not always empty: it may not have been near.
            Some(cache) => cache.take().or_else(|| store.refill(cache)),
            None => store.take(),
        }
    }

    #[cold]
    #[inline(never)]
    fn put_off_the_fast_path(&self, idle: Idle) -> Result<(), Idle> {
        let store = self.store();
        match self.enter() {
            Some(cache) => cache.put(idle).or_else(|idle| store.overflow(cache, idle)),
            None => store.put(0, idle),
        }
    }

    /// Whether there is a place for one more where every thread finds it.
    pub(crate) fn has_place(&self) -> bool {
        self.store().budget.has_place()
    }

    /// Puts an object where every thread finds it.
    pub(crate) fn put_shared(&self, home: usize, idle: Idle) -> Result<(), Idle> {
        self.store().put(home, idle)
    }

    /// This thread's cache, with one made if it has none and may have one.
    fn enter(&self) -> Option<&Cache> {
        if let Some(cache) = self.cache() {
            return Some(cache);
        }
        let store = self.store();
        let cache = thread::enter(self.birth()?, || store.register())?;
        // SAFETY: as in `cache`.
        Some(unsafe { cache.as_ref() })
    }

    /// Has this thread's cache take a slot in charge that is not its own; says whether
    /// it did.
    ///
    /// # Safety
    /// The slot belongs to no cache, and is good until this thread has given its caches
    /// back.
    pub(crate) unsafe fn open_front(&self, front: NonNull<Slot>) -> bool {
        let Some(cache) = self.enter() else {
            return false;
        };
        // SAFETY: it is this thread's cache; the rest is the caller's promise.
        unsafe { self.store().open_front(cache, front) }
    }

    /// The store, made and entered in the registry if this is the first use.
    fn store(&self) -> &Store {
        let store = self
            .store
            .get_or_init(|| Box::new(Store::new(self.max_idle.load(Ordering::Relaxed))));
        if self.birth().is_none() {
            registry::enrol(store, &self.stamp);
        }
        store
    }

    /// The stamp, if it has one.
    fn birth(&self) -> Option<Stamp> {
        Some(self.stamp()).filter(|&stamp| stamp != Stamp::NONE)
    }

    /// Takes idle objects out of the shards and the threads' caches, and drops them.
    #[cold]
    pub(crate) fn sweep(&self, what: Sweep) {
        if let Some(store) = self.store.get() {
            let swept = store.sweep(what, self.birth().and_then(thread::find));
            self.discard(swept, |counters| &counters.aged);
        }
    }

    /// Drops objects that were idle, for a reason that is counted. Nothing is locked or
    /// borrowed here, so their destructors may use the pool.
    fn discard(&self, objects: Vec<Object>, reason: impl Fn(&Counters) -> &Count) {
        if objects.is_empty() {
            return;
        }
        self.count(reason, objects.len());
        // SAFETY: what was put in may be discarded, see `new`.
        unsafe { (self.discard)(objects) };
    }

    /// An object of this weight was refused for lack of places: if that goes on, what is
    /// not used, with threads that sleep for instance, makes way.
    #[cold]
    pub(crate) fn count_full(&self, weight: usize) {
        self.count(
            |counters| match weight {
                1 => &counters.full,
                _ => &counters.byte_budget,
            },
            1,
        );
        let refusals = self.refusals.fetch_add(1, Ordering::Relaxed);
        if refusals % REFUSALS == REFUSALS - 1 && self.ageing.is_over(self.pressure_period) {
            self.sweep(Sweep::Unused);
        }
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
            if let Some(birth) = self.birth() {
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
