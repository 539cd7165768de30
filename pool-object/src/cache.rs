//! What one thread keeps of one pool.

use crate::{
    counters::Counters,
    object::Object,
    sync::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell},
};
use std::{
    cell::Cell,
    ptr::{self, NonNull},
};

/// Objects the magazine holds beside the slot.
pub(crate) const MAGAZINE: usize = if cfg!(loom_models) { 2 } else { 32 };

/// Objects that move between a cache and a shard at once.
pub(crate) const BATCH: usize = MAGAZINE / 2;

/// The objects one thread keeps of one pool: a private slot, then a magazine.
///
/// Who may touch what:
/// - the **owner** (the thread whose table points here) everything, while it holds
///   a borrow of the pool; and once more as it ends, under the registry's lock;
/// - the **pool**, as it is dropped, everything: it has `&mut`, so no borrow is left,
///   and has left the registry, so no ending thread finds it;
/// - **anybody with a borrow of the pool**, the atomics, to read: figures only.
///
/// The slot and the length are atomics for those readers alone, hence relaxed;
/// objects never pass from thread to thread through them.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Cache {
    slot: AtomicPtr<()>,
    len: AtomicUsize,
    /// Places of the magazine that this cache holds of the pool's budget:
    /// `len <= room <= MAGAZINE`. One more is held for the slot.
    room: Cell<usize>,
    pub(crate) counters: Counters,
    /// The shard to trade with first: the one where objects were found last.
    pub(crate) home: Cell<usize>,
    /// Clears and trims of the pool that this cache has followed.
    pub(crate) seen: Cell<Epochs>,
    /// Where the pool's list of caches has this one; guarded by the list's lock.
    pub(crate) position: Cell<usize>,
    magazine: [UnsafeCell<NonNull<()>>; MAGAZINE],
}

/// How often a pool was cleared and trimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    pub(crate) clears: usize,
    pub(crate) trims: usize,
}

impl Cache {
    pub(crate) fn new(home: usize) -> Self {
        Self {
            slot: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
            room: Cell::new(0),
            home: Cell::new(home),
            seen: Cell::default(),
            counters: Counters::default(),
            position: Cell::new(0),
            magazine: std::array::from_fn(|_| UnsafeCell::new(NonNull::dangling())),
        }
    }

    /// Takes the object out of the slot. Owner only.
    #[inline(always)]
    pub(crate) fn take_slot(&self) -> Option<Object> {
        let object = NonNull::new(self.slot.load(Ordering::Relaxed))?;
        self.slot.store(ptr::null_mut(), Ordering::Relaxed);
        self.counters.hits_thread.bump();
        Some(Object::from_ptr(object))
    }

    /// Puts an object into the slot, or gives it back if one is there. Owner only.
    #[inline(always)]
    pub(crate) fn put_slot(&self, object: Object) -> Result<(), Object> {
        if !self.slot.load(Ordering::Relaxed).is_null() {
            return Err(object);
        }
        self.slot
            .store(object.into_ptr().as_ptr(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes an object out, if one is here. Owner only.
    #[inline]
    pub(crate) fn take(&self) -> Option<Object> {
        self.take_slot().or_else(|| {
            let object = self.pop()?;
            self.counters.hits_thread.bump();
            Some(object)
        })
    }

    /// Puts an object in, or gives it back if the places held are full. Owner only.
    #[inline]
    pub(crate) fn put(&self, object: Object) -> Result<(), Object> {
        let object = match self.put_slot(object) {
            Ok(()) => return Ok(()),
            Err(object) => object,
        };
        if self.len() < self.room.get() {
            self.push(object);
            Ok(())
        } else {
            Err(object)
        }
    }

    #[inline]
    fn pop(&self) -> Option<Object> {
        let top = self.len().checked_sub(1)?;
        let object = self.read(top);
        self.set_len(top);
        Some(object)
    }

    #[inline]
    fn push(&self, object: Object) {
        let len = self.len();
        self.write(len, object);
        self.set_len(len + 1);
    }

    /// Empties slot and magazine without counting hits.
    pub(crate) fn drain(&self) -> Vec<Object> {
        let mut objects = Vec::with_capacity(self.idle());
        while let Some(object) = self.pop() {
            objects.push(object);
        }
        if let Some(object) = NonNull::new(self.slot.load(Ordering::Relaxed)) {
            self.slot.store(ptr::null_mut(), Ordering::Relaxed);
            objects.push(Object::from_ptr(object));
        }
        objects
    }

    /// Takes a batch off the bottom of a full magazine, oldest first, together
    /// with its places.
    pub(crate) fn spill(&self) -> [Object; BATCH] {
        debug_assert!(self.len() == MAGAZINE && self.room.get() == MAGAZINE);
        let batch = std::array::from_fn(|i| self.read(i));
        for i in BATCH..MAGAZINE {
            self.write(i - BATCH, self.read(i));
        }
        self.set_len(MAGAZINE - BATCH);
        self.room.set(MAGAZINE - BATCH);
        batch
    }

    /// Adds objects to an empty magazine, each with the place it comes in.
    pub(crate) fn refill(&self, object: Object) {
        self.room.set(self.room.get() + 1);
        self.push(object);
    }

    /// Adds empty places to the magazine.
    pub(crate) fn widen(&self, places: usize) {
        debug_assert!(self.room.get() + places <= MAGAZINE);
        self.room.set(self.room.get() + places);
    }

    /// Takes the empty places of the magazine away; how many.
    pub(crate) fn narrow(&self) -> usize {
        self.room.replace(self.len()) - self.len()
    }

    pub(crate) fn room(&self) -> usize {
        self.room.get()
    }

    /// Objects here. From another thread than the owner: as of a moment ago.
    pub(crate) fn idle(&self) -> usize {
        self.len() + usize::from(!self.slot.load(Ordering::Relaxed).is_null())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_len(&self, len: usize) {
        self.len.store(len, Ordering::Relaxed);
    }

    #[inline(always)]
    fn read(&self, index: usize) -> Object {
        // SAFETY: only who owns the cache at the time (see the type) is here, so
        // nothing writes; entries below `len` are objects put in by `write`, and the
        // callers leave behind no two entries that stand for one object.
        Object::from_ptr(self.magazine[index].with(|entry| unsafe { *entry }))
    }

    #[inline(always)]
    fn write(&self, index: usize, object: Object) {
        // SAFETY: only who owns the cache at the time (see the type) is here, so
        // nothing else reads or writes the entry.
        self.magazine[index].with_mut(|entry| unsafe { *entry = object.into_ptr() });
    }
}
