//! Where a thread finds its caches.
//!
//! Two thread locals: a [`View`] that has no destructor, so reading it is a plain
//! load from the thread's own memory, and the [`Table`] behind it, whose destructor
//! gives the caches back when the thread ends. After that the view is empty and the
//! table refuses, so a pool used in the destructor of some later thread local goes
//! without a cache and straight to the shards.

use crate::{
    cache::Cache,
    registry::{self, Stamp},
    sync::per_thread,
};
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

const EMPTY: &[Entry; 1] = &[Entry::VACANT];

struct View {
    entries: Cell<*const Entry>,
    /// Length - 1; the length is a power of two, so any stamp finds an entry.
    mask: Cell<usize>,
}

#[derive(Debug)]
struct Table(RefCell<Vec<Entry>>);

per_thread! {
    static VIEW: View = View { entries: Cell::new(EMPTY.as_ptr()), mask: Cell::new(0) };
    static TABLE: Table = Table(RefCell::new(Vec::new()));
}

/// This thread's cache of the pool that bears `stamp` now. Good as long as that
/// pool is alive and this thread does not end.
#[inline(always)]
pub(crate) fn find(stamp: Stamp) -> Option<NonNull<Cache>> {
    VIEW.try_with(|view| {
        // The mask is within the index's bits of the stamp.
        let place = stamp.low_bits() & view.mask.get();
        // SAFETY: the view points to `mask + 1` entries, of `EMPTY` or of the table
        // of this very thread, which publishes anew whenever its vector changes.
        let entry = unsafe { view.entries.get().add(place) };
        // SAFETY: as above, and only this thread writes to them.
        let entry = unsafe { *entry };
        (entry.stamp == stamp).then_some(entry.cache)
    })
    .ok()
    .flatten()
}

/// This thread's cache of the pool born as `birth`, whatever its stamp.
pub(crate) fn known(birth: Stamp) -> Option<NonNull<Cache>> {
    TABLE
        .try_with(|table| known_in(&table.0.borrow(), birth))
        .ok()
        .flatten()
}

/// An older stamp at the pool's index is of a pool that had the index before; a
/// newer one is of this pool, after a sweep. See `registry::retire`.
fn known_in(entries: &[Entry], birth: Stamp) -> Option<NonNull<Cache>> {
    entries
        .get(birth.index())
        .filter(|entry| entry.stamp != Stamp::VACANT && birth.0 <= entry.stamp.0)
        .map(|entry| entry.cache)
}

/// Puts the cache that this thread knows, or else the one that `make` gives, under
/// the pool's present `stamp`. `None` if there is none to have, or if the thread is
/// past its table's end.
pub(crate) fn enter(
    birth: Stamp,
    stamp: Stamp,
    make: impl FnOnce() -> Option<NonNull<Cache>>,
) -> Option<NonNull<Cache>> {
    TABLE
        .try_with(|table| {
            let mut entries = table.0.borrow_mut();
            let cache = known_in(&entries, birth).or_else(make)?;
            let index = birth.index();
            if index >= entries.len() {
                entries.resize((index + 1).next_power_of_two().max(8), Entry::VACANT);
            }
            entries[index] = Entry { stamp, cache };
            publish(&entries);
            Some(cache)
        })
        .ok()
        .flatten()
}

fn publish(entries: &[Entry]) {
    // A torn-down view (loom only) finds nothing anyway.
    let _ = VIEW.try_with(|view| {
        view.entries.set(entries.as_ptr());
        view.mask.set(entries.len() - 1);
    });
}

impl Table {
    /// Gives all caches back.
    fn retire(&self) {
        publish(EMPTY);
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
