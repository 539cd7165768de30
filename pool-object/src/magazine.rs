//! A thread's bounded stack of idle objects, and the places that it holds.

use crate::{
    object::Idle,
    sync::{AtomicUsize, Ordering, UnsafeCell},
};
use std::{cell::Cell, mem::MaybeUninit};

/// Objects a magazine holds.
pub(crate) const MAGAZINE: usize = if cfg!(loom_models) { 2 } else { 32 };

/// Objects that move between a cache and a shard at once.
pub(crate) const BATCH: usize = MAGAZINE / 2;

/// A stack of objects, in places of the pool's budget that it holds, filled or not.
///
/// All of it belongs to who is behind the cache's gate. Length and weight are atomics
/// for readers of figures alone, hence relaxed.
#[derive(Debug)]
pub(crate) struct Magazine {
    len: AtomicUsize,
    /// What the objects weigh together.
    weight: AtomicUsize,
    /// Places held: `weight <= room`.
    room: Cell<usize>,
    /// The least length since the last trim: as many objects, at the bottom, were
    /// not used since then.
    unused: Cell<usize>,
    entries: [UnsafeCell<MaybeUninit<Idle>>; MAGAZINE],
}

impl Magazine {
    pub(crate) fn new() -> Self {
        Self {
            len: AtomicUsize::new(0),
            weight: AtomicUsize::new(0),
            room: Cell::new(0),
            unused: Cell::new(0),
            entries: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
        }
    }

    /// Takes the object on top, if there is one.
    pub(crate) fn pop(&self) -> Option<Idle> {
        let top = self.len().checked_sub(1)?;
        let idle = self.read(top);
        self.set(top, self.weight() - idle.weight);
        self.unused.set(self.unused.get().min(top));
        Some(idle)
    }

    /// Puts an object on top, or gives it back if the places held are full.
    pub(crate) fn push(&self, idle: Idle) -> Result<(), Idle> {
        let (len, weight) = (self.len(), self.weight() + idle.weight);
        if len == MAGAZINE || weight > self.room.get() {
            return Err(idle);
        }
        self.write(len, idle);
        self.set(len + 1, weight);
        Ok(())
    }

    /// Puts an object on top with the places that it comes in. There is space for it.
    pub(crate) fn refill(&self, idle: Idle) {
        self.widen(idle.weight);
        self.push(idle).expect("places and space for one more");
    }

    /// Takes a batch off the bottom, oldest first, together with its places, if it is
    /// as full as it can be.
    pub(crate) fn spill(&self, mut sink: impl FnMut(Idle)) {
        if self.len() == MAGAZINE {
            self.shift(BATCH, |idle| {
                self.room.set(self.room.get() - idle.weight);
                sink(idle);
            });
        }
    }

    /// Takes out what was not used since the last trim; whatever there is, if `all`.
    /// The places stay.
    pub(crate) fn trim(&self, all: bool, sink: impl FnMut(Idle)) {
        let count = if all { self.len() } else { self.unused.get() };
        self.shift(count, sink);
        self.unused.set(self.len());
    }

    /// Takes the object at the bottom, the oldest, out with its places.
    pub(crate) fn shed(&self) -> Option<Idle> {
        let mut shed = None;
        let count = self.len().min(1);
        self.shift(count, |idle| {
            self.room.set(self.room.get() - idle.weight);
            shed = Some(idle);
        });
        shed
    }

    /// Takes `count` objects off the bottom, oldest first.
    fn shift(&self, count: usize, mut sink: impl FnMut(Idle)) {
        let (len, mut weight) = (self.len(), self.weight());
        for i in 0..count {
            let idle = self.read(i);
            weight -= idle.weight;
            sink(idle);
        }
        (count..len).for_each(|i| self.write(i - count, self.read(i)));
        self.set(len - count, weight);
        self.unused.set(self.unused.get().saturating_sub(count));
    }

    /// Empty places that would let it hold up to a batch more objects of this weight.
    pub(crate) fn wanted(&self, weight: usize) -> usize {
        let objects = BATCH.min(MAGAZINE - self.len());
        objects
            .saturating_mul(weight)
            .saturating_sub(self.room.get() - self.weight())
    }

    /// Adds empty places.
    pub(crate) fn widen(&self, places: usize) {
        self.room.set(self.room.get() + places);
    }

    /// Takes the empty places away; how many.
    pub(crate) fn narrow(&self) -> usize {
        self.room.replace(self.weight()) - self.weight()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    fn set(&self, len: usize, weight: usize) {
        self.len.store(len, Ordering::Relaxed);
        self.weight.store(weight, Ordering::Relaxed);
    }

    fn read(&self, index: usize) -> Idle {
        // SAFETY: only who is behind the gate is here, so nothing writes; entries below
        // `len` were written, and the callers leave behind no two entries that stand
        // for one object.
        self.entries[index].with(|entry| unsafe { (*entry).assume_init_read() })
    }

    fn write(&self, index: usize, idle: Idle) {
        // SAFETY: only who is behind the gate is here, so nothing else reads or writes
        // the entry.
        self.entries[index].with_mut(|entry| unsafe { *entry = MaybeUninit::new(idle) });
    }
}
