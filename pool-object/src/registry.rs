//! Which pools are alive: where ending threads and dropped pools meet.

use crate::{
    cache::Cache,
    stamp::{self, Stamp},
    store::Store,
    sync::{global_mutex, lock},
};
use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

struct Registry {
    pools: Vec<Option<Live>>,
    vacant: Vec<usize>,
    sequence: u64,
}

/// A pool that can be entered by threads and has not been dropped.
struct Live {
    birth: Stamp,
    store: NonNull<Store>,
}

// SAFETY: the pointer is followed under the registry's lock only, while the pool
// is alive (it leaves under the same lock), and `Store` is `Sync`.
unsafe impl Send for Live {}

global_mutex! {
    /// Lock order: registry, then a store's list of caches, then a shard.
    static REGISTRY: Registry = Registry::new();
}

impl Registry {
    const fn new() -> Self {
        Self {
            pools: Vec::new(),
            vacant: Vec::new(),
            sequence: 0,
        }
    }

    fn next_stamp(&mut self, index: usize) -> Option<Stamp> {
        let stamp = Stamp::new(self.sequence + 1, index)?;
        self.sequence += 1;
        Some(stamp)
    }
}

/// Enters a pool and stamps it, if that was not done yet; there may be too many.
pub(crate) fn enrol(store: &Store, stamp: &AtomicU64) {
    let mut registry = lock(&REGISTRY);
    if Stamp(stamp.load(Ordering::Relaxed)) != Stamp::NONE {
        return;
    }
    let index = match registry.vacant.pop() {
        Some(index) => index,
        None if registry.pools.len() <= stamp::MAX_INDEX => {
            registry.pools.push(None);
            registry.pools.len() - 1
        }
        None => return,
    };
    let Some(birth) = registry.next_stamp(index) else {
        registry.vacant.push(index);
        return;
    };
    stamp.store(birth.0, Ordering::Relaxed);
    registry.pools[index] = Some(Live {
        birth,
        store: NonNull::from(store),
    });
}

/// Strikes a pool that is being dropped. When this returns, no ending thread is in
/// the store, and none will be.
pub(crate) fn strike(birth: Stamp) {
    let mut registry = lock(&REGISTRY);
    registry.pools[birth.index()] = None;
    registry.vacant.push(birth.index());
}

/// Gives the caches of an ending thread back to those of their pools that are
/// still alive.
///
/// An entry belongs to the pool that is alive at its index if it bears its stamp; one of
/// a pool that had the index before bears another, for none is given out twice.
pub(crate) fn retire(entries: impl Iterator<Item = (Stamp, NonNull<Cache>)>) {
    let registry = lock(&REGISTRY);
    for (stamp, cache) in entries {
        if let Some(live) = &registry.pools[stamp.index()]
            && live.birth == stamp
        {
            // SAFETY: the pool is in the registry, whose lock is held, so its
            // store has not been freed; see `strike`.
            let store = unsafe { live.store.as_ref() };
            // SAFETY: the entry is of this pool, so the cache is in its list, and
            // this thread, its owner, ends and will not use it again.
            unsafe { store.retire(cache) };
        }
    }
}
