//! Where a thread finds its caches.
//!
//! Two thread locals: the [`Near`] entries, which have no destructor, so reading them
//! is a plain load from the thread's own memory; and the [`Table`] of all entries,
//! whose destructor gives the caches back when the thread ends. After that nothing is
//! near and the table refuses, so a pool used in the destructor of some later thread
//! local goes without a cache and straight to the shards.

use crate::{cache::Cache, registry, stamp::Stamp, sync::per_thread};
use std::{
    cell::{Cell, RefCell},
    ptr::NonNull,
};

/// One thread's cache of one pool. The pointer is good as long as the pool that
/// the stamp names is alive, and is not followed otherwise.
#[derive(Clone, Copy, Debug)]
struct Entry {
    stamp: Stamp,
    cache: NonNull<Cache>,
}

impl Entry {
    const VACANT: Self = Self {
        stamp: Stamp::VACANT,
        cache: NonNull::dangling(),
    };
}

/// How many pools a thread can use in turn before some of them share a near entry and
/// go through the table now and then. The size classes of a `BufferPool` count each.
const NEAR: usize = Stamp::PLACES;

/// Eight bytes, also where a pointer has four: see [`Stamp::offset`].
#[repr(align(8))]
struct Place<T>(Cell<T>);

/// Copies of the table's entries: each where the index of its stamp says, the last one
/// used where they agree. Two arrays, for words can be found by one instruction.
struct Near {
    stamps: [Place<Stamp>; NEAR],
    caches: [Place<NonNull<Cache>>; NEAR],
}

const _: () = assert!(size_of::<Near>() == 2 * 8 * NEAR);

impl Near {
    fn set(&self, entry: Entry) {
        let place = entry.stamp.index() % NEAR;
        self.stamps[place].0.set(entry.stamp);
        self.caches[place].0.set(entry.cache);
    }

    /// The entry of a pool's stamp, if that has it.
    #[inline(always)]
    fn get(&self, stamp: Stamp) -> Option<NonNull<Cache>> {
        debug_assert!(stamp != Stamp::VACANT);
        let offset = stamp.offset();
        // SAFETY: both arrays are of `NEAR` places of eight bytes, and the offset of a
        // pool's stamp, which is never `VACANT`, is eight times a number below `NEAR`.
        let (named, cache) = unsafe {
            let named = self.stamps.as_ptr().byte_add(offset);
            (&*named, &*self.caches.as_ptr().byte_add(offset))
        };
        (named.0.get() == stamp).then(|| cache.0.get())
    }
}

/// Every entry, where the index of its stamp says.
#[derive(Debug)]
struct Table(RefCell<Vec<Entry>>);

per_thread! {
    static NEAR_ENTRIES: Near = Near {
        stamps: [const { Place(Cell::new(Stamp::VACANT)) }; NEAR],
        caches: [const { Place(Cell::new(NonNull::dangling())) }; NEAR],
    };
    static TABLE: Table = Table(RefCell::new(Vec::new()));
}

/// This thread's cache of the pool that bears `stamp`, if it was used lately. Good as
/// long as that pool is alive and this thread does not end.
#[inline(always)]
pub(crate) fn find_near(stamp: Stamp) -> Option<NonNull<Cache>> {
    NEAR_ENTRIES.try_with(|near| near.get(stamp)).ok().flatten()
}

/// This thread's cache of the pool that bears `stamp`, if it has one, also of one that
/// was not used lately.
pub(crate) fn find(stamp: Stamp) -> Option<NonNull<Cache>> {
    enter(stamp, || None)
}

/// As [`find`], and enters the cache that `make` gives if there is none. `None` if
/// there is none to have, or if the thread is past its table's end.
pub(crate) fn enter(
    stamp: Stamp,
    make: impl FnOnce() -> Option<NonNull<Cache>>,
) -> Option<NonNull<Cache>> {
    TABLE
        .try_with(|table| {
            let mut entries = table.0.borrow_mut();
            let index = stamp.index();
            let entry = match entries.get(index) {
                Some(entry) if entry.stamp == stamp => *entry,
                _ => {
                    let cache = make()?;
                    if index >= entries.len() {
                        entries.resize((index + 1).next_power_of_two().max(8), Entry::VACANT);
                    }
                    entries[index] = Entry { stamp, cache };
                    entries[index]
                }
            };
            // Torn-down near entries (loom only) find nothing anyway.
            let _ = NEAR_ENTRIES.try_with(|near| near.set(entry));
            Some(entry.cache)
        })
        .ok()
        .flatten()
}

impl Table {
    /// Gives all caches back.
    fn retire(&self) {
        let _ = NEAR_ENTRIES.try_with(|near| {
            near.stamps
                .iter()
                .for_each(|stamp| stamp.0.set(Stamp::VACANT));
        });
        let entries = self.0.take();
        if !entries.is_empty() {
            let used = entries.iter().filter(|entry| entry.stamp != Stamp::VACANT);
            registry::retire(used.map(|entry| (entry.stamp, entry.cache)));
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Does what the end of a thread does: loom lets `join` return before it destroys
/// the thread's locals, and destroys its global mutexes before them.
#[cfg(loom_models)]
#[doc(hidden)]
pub fn end_of_thread() {
    let _ = TABLE.try_with(Table::retire);
}
