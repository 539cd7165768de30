//! What one thread keeps of one pool.

use crate::{
    counters::Counters,
    gate::Gate,
    magazine::Magazine,
    object::{Idle, Object},
    slot::{OFTEN, Slot},
    sync::{AtomicUsize, Ordering, UnsafeCell},
};
use std::{cell::Cell, ptr::NonNull};

/// The objects one thread keeps of one pool: a private slot, then a magazine.
///
/// Who may touch what:
/// - the **owner** (the thread whose table points here) the slot, by the slot's own
///   rules, and the magazine while it is inside the gate; both while it holds a
///   borrow of the pool;
/// - **who has the lock of the pool's list of caches**, the slot as its sweeper, and
///   the magazine after shutting the gate and waiting; if it is the owner, as its
///   thread ends, everything at once;
/// - the **pool**, as it is dropped, everything: it has `&mut`, so no borrow is left,
///   and has left the registry, so no ending thread finds it;
/// - **anybody with a borrow of the pool**, the atomics, to read: figures only.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Cache {
    pub(crate) slot: Slot,
    /// Places held for the slot: no heavier object goes in. Written by the owner alone;
    /// an atomic for readers of figures, hence relaxed.
    slot_room: AtomicUsize,
    pub(crate) gate: Gate,
    pub(crate) counters: Counters,
    /// The shard to trade with first: the one where objects were found last. The
    /// owner's alone.
    pub(crate) home: Cell<usize>,
    /// The slot of a pool in a `static` (see `StaticPool`), on this thread: in the
    /// thread's own memory, which outlives the cache. Holds what weighs 1. Written by the
    /// owner, under the list's lock, so that it may read it without.
    front: UnsafeCell<Option<NonNull<Slot>>>,
    /// Where the pool's list of caches has this one; guarded by the list's lock.
    pub(crate) position: Cell<usize>,
    pub(crate) magazine: Magazine,
}

impl Cache {
    /// One that holds a place for its slot.
    pub(crate) fn new(home: usize) -> Self {
        let slot = Slot::new_closed();
        slot.open();
        Self {
            slot,
            slot_room: AtomicUsize::new(1),
            gate: Gate::new(),
            counters: Counters::default(),
            home: Cell::new(home),
            front: UnsafeCell::new(None),
            position: Cell::new(0),
            magazine: Magazine::new(),
        }
    }

    /// Puts an object into the slot, or gives it back. Owner only.
    #[inline(always)]
    pub(crate) fn put_slot(&self, idle: Idle) -> Result<(), Idle> {
        let weight = idle.weight;
        if self.fits_slot(weight) {
            let refused = self.slot.put(idle.object);
            refused.map_err(|object| Idle { object, weight })
        } else {
            Err(idle)
        }
    }

    /// Whether places are held in the slot for an object of this weight. Owner only.
    #[inline(always)]
    pub(crate) fn fits_slot(&self, weight: usize) -> bool {
        // The first half spares pools that do not weigh the second.
        weight <= 1 || weight <= self.slot_room()
    }

    /// Takes an object out, if one is here. Owner only.
    #[inline]
    pub(crate) fn take(&self) -> Option<Object> {
        self.slot.take().or_else(|| self.take_past_the_slot())
    }

    /// As [`take`](Self::take), of front and magazine alone. Owner only.
    #[inline]
    pub(crate) fn take_past_the_slot(&self) -> Option<Object> {
        self.front().and_then(Slot::take).or_else(|| {
            let _inside = self.gate.enter()?;
            self.pop()
        })
    }

    /// Whether it is time to look at the time, for a thread that uses more than the slot:
    /// at the last hit of each round, as in the slot. Owner only.
    #[inline]
    pub(crate) fn is_often_past_the_slot(&self) -> bool {
        self.counters.hits_thread.get() % OFTEN == OFTEN - 1
    }

    /// Puts an object in, or gives it back if the places held are full. Owner only.
    #[inline]
    pub(crate) fn put(&self, idle: Idle) -> Result<(), Idle> {
        self.put_slot(idle).or_else(|idle| match self.gate.enter() {
            Some(_inside) => self.magazine.push(idle),
            None => Err(idle),
        })
    }

    /// Takes an object out of the magazine and counts the hit. Owner only, inside the
    /// gate.
    pub(crate) fn pop(&self) -> Option<Object> {
        let idle = self.magazine.pop()?;
        self.counters.hits_thread.bump();
        Some(idle.object)
    }

    #[inline(always)]
    fn slot_room(&self) -> usize {
        self.slot_room.load(Ordering::Relaxed)
    }

    /// Places that the slot lacks for an object of this weight. Owner only.
    pub(crate) fn slot_lacks(&self, weight: usize) -> usize {
        weight.saturating_sub(self.slot_room())
    }

    /// Adds places to those held for the slot. Owner only.
    pub(crate) fn widen_slot(&self, places: usize) {
        self.slot_room
            .store(self.slot_room() + places, Ordering::Relaxed);
    }

    /// Takes away all places but one of those held for the slot, which is empty; how
    /// many. Owner only.
    pub(crate) fn narrow_slot(&self) -> usize {
        let places = self.slot_room() - 1;
        self.slot_room.store(1, Ordering::Relaxed);
        places
    }

    /// Takes out of the slot and the front of an ended thread what is in them, with
    /// all places held for them; and how many more of these there are. Under the
    /// list's lock: by the owner, or as the pool is dropped.
    pub(crate) fn retire_slots(&self, mut sink: impl FnMut(Idle)) -> usize {
        let mut empty = 0;
        for (slot, room) in self.slots_with_room() {
            match slot.retire() {
                Some(object) => sink(Idle {
                    object,
                    weight: room,
                }),
                None => empty += room,
            }
        }
        empty
    }

    /// Objects in slot, front and magazine, and what they weigh: those in the slot at
    /// most, for it is not known of them. From another thread than the owner: as of a
    /// moment ago. Under the list's lock, for the front.
    pub(crate) fn idle(&self) -> (usize, usize) {
        self.slots_with_room()
            .filter(|(slot, _)| slot.is_full())
            .fold(
                (self.magazine.len(), self.magazine.weight()),
                |(len, weight), (_, room)| (len + 1, weight + room),
            )
    }

    /// Hits in slot and front. Under the list's lock, for the front.
    pub(crate) fn slot_hits(&self) -> usize {
        self.slots().map(Slot::hits).sum()
    }

    /// The slot, and the front if there is one. Under the list's lock.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.slot).chain(self.front())
    }

    /// Slot and front with the places that are held for each. Under the list's lock.
    pub(crate) fn slots_with_room(&self) -> impl Iterator<Item = (&Slot, usize)> {
        self.slots().zip([self.slot_room(), 1])
    }

    /// The front, if there is one. Owner only, or under the list's lock.
    #[inline]
    pub(crate) fn front(&self) -> Option<&Slot> {
        // SAFETY: it is written by the owner under the list's lock, so neither the owner
        // nor who has that lock reads it meanwhile.
        let front = self.front.with(|front| unsafe { *front });
        // SAFETY: the front is in the memory of the owner's thread, good until that
        // ends, and the end takes the cache off the list first, under its lock.
        front.map(|front| unsafe { front.as_ref() })
    }

    /// Takes a front in charge, for good. Owner only, under the list's lock.
    ///
    /// # Safety
    /// The front is good until the owner has given its caches back.
    pub(crate) unsafe fn set_front(&self, front: NonNull<Slot>) {
        // SAFETY: readers are the owner, which is here, and who has the list's lock.
        self.front.with_mut(|place| unsafe { *place = Some(front) });
    }
}
