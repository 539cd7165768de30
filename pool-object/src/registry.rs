//! Which pools are alive: where ending threads and dropped pools meet.

use crate::{
    cache::Cache,
    store::Store,
    sync::{global_mutex, lock},
};
use std::ptr::NonNull;

/// Names a pool in the tables of the threads: a small index, re-used after the
/// pool is dropped, in the low bits, and above it a sequence number that is
/// never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u64);

const INDEX_BITS: u32 = 20;
const MAX_INDEX: usize = (1 << INDEX_BITS) - 1;
/// At a million new pools a second this lasts for half a year; pools after that
/// work without thread caches.
const MAX_SEQUENCE: u64 = u64::MAX >> INDEX_BITS;

impl Stamp {
    /// Of a pool that has no thread caches (yet).
    pub(crate) const NONE: Self = Self(0);
    /// Of an entry that was never used: no sequence number gets there.
    pub(crate) const VACANT: Self = Self(u64::MAX);

    pub(crate) const fn index(self) -> usize {
        self.low_bits() & MAX_INDEX
    }

    /// The index, and whatever of the sequence number a word holds beside it.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    pub(crate) const fn low_bits(self) -> usize {
        self.0 as usize
    }
}

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
        // The last number is `VACANT`'s.
        if self.sequence + 1 >= MAX_SEQUENCE {
            return None;
        }
        self.sequence += 1;
        Some(Stamp(self.sequence << INDEX_BITS | index as u64))
    }
}

/// Enters a pool if it is not in yet; `None` if there are too many.
pub(crate) fn enrol(store: &Store) -> Option<Stamp> {
    let mut registry = lock(&REGISTRY);
    if let Some(birth) = store.birth() {
        return Some(birth);
    }
    let index = match registry.vacant.pop() {
        Some(index) => index,
        None if registry.pools.len() <= MAX_INDEX => {
            registry.pools.push(None);
            registry.pools.len() - 1
        }
        None => return None,
    };
    let Some(birth) = registry.next_stamp(index) else {
        registry.vacant.push(index);
        return None;
    };
    store.set_birth(birth);
    registry.pools[index] = Some(Live {
        birth,
        store: NonNull::from(store),
    });
    Some(birth)
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
/// An entry belongs to the pool that is alive at its index if its stamp is not
/// older than that pool: sequence numbers only grow, and from a pool's birth to
/// its end its index is in no other pool's stamps.
pub(crate) fn retire(entries: impl Iterator<Item = (Stamp, NonNull<Cache>)>) {
    let registry = lock(&REGISTRY);
    for (stamp, cache) in entries {
        if let Some(live) = &registry.pools[stamp.index()]
            && live.birth.0 <= stamp.0
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
