//! The private slot: one object that its thread takes and puts at no cost.

use crate::{
    asymmetric,
    object::Object,
    sync::{AtomicPtr, AtomicUsize, Ordering, const_unless_loom, yield_now},
};
use std::{
    cell::Cell,
    ptr::{self, NonNull},
};

/// Stands for "closed". No object has this address, see `Object::from_box`.
const CLOSED: *mut () = ptr::without_provenance_mut(1);

/// So many hits in a slot pass between two looks at the time.
const OFTEN: usize = 1024;

/// A place for one object: empty (null), full, or closed.
///
/// Its **owner** takes with a load and a store, and puts with a load and a store. A
/// **sweeper**, of which there is one at a time, takes from outside:
///
/// 1. It swaps a full slot's object for `CLOSED`.
/// 2. After the heavy fence it waits until the owner is not taking: `takes` is even.
/// 3. If the slot is `CLOSED` still, the object is the sweeper's, and it opens the
///    slot. If not, the object is the owner's.
///
/// The owner's *take* makes `takes` odd, then light fence, load, store null, and makes
/// it even. Either it loads after the swap: then it finds the slot closed and writes
/// nothing, and 3 sees `CLOSED`. Or it loads before: then by the pair of fences the
/// sweeper sees `takes` odd, or even again, and with that the null (or what the owner
/// put after it) that was written over `CLOSED`. The owner's *put* stores only over
/// null. It may do so late, over a `CLOSED` that replaced an object which the owner
/// took; the sweeper then sees that object's place overwritten as well. So it needs no
/// fence.
#[derive(Debug)]
#[repr(C)]
pub struct Slot {
    object: AtomicPtr<()>,
    /// Twice the objects taken by the owner; odd while it takes one. Written by the
    /// owner alone, with plain stores: flag and count in one, which halves the stores.
    takes: AtomicUsize,
    /// What the last trim found; the sweeper's.
    trimmed: Cell<Found>,
}

/// What a trim saw of a slot: an object that is there at the next trim, too, with
/// no hit between, was not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    takes: usize,
    full: bool,
}

/// The object that a slot's pointer stands for: null and `CLOSED` stand for none.
#[inline(always)]
fn object(ptr: *mut ()) -> Option<Object> {
    if ptr.addr() <= CLOSED.addr() {
        return None;
    }
    // SAFETY: not null, the address of which is less than that of `CLOSED`.
    Some(Object::from_ptr(unsafe { NonNull::new_unchecked(ptr) }))
}

/// Tells the compiler which way is the rare one.
#[cold]
#[inline(always)]
const fn cold() {}

impl Slot {
    const_unless_loom! {
        pub fn new_closed() -> Self {
            Self {
                object: AtomicPtr::new(CLOSED),
                takes: AtomicUsize::new(0),
                trimmed: Cell::new(Found { takes: 0, full: false }),
            }
        }
    }

    /// As [`take`](Self::take), but for once in [`OFTEN`] hits. Owner only.
    #[inline(always)]
    pub fn take_often(&self) -> Option<Object> {
        let takes = self.takes.load(Ordering::Relaxed);
        // As `hits() % OFTEN == 0`, in one instruction.
        if takes & (2 * OFTEN - 2) == 0 {
            cold();
            return None;
        }
        self.take_after(takes)
    }

    /// Takes the object out, if there is one, and counts the hit. Owner only.
    #[inline(always)]
    pub fn take(&self) -> Option<Object> {
        self.take_after(self.takes.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn take_after(&self, takes: usize) -> Option<Object> {
        self.takes.store(takes.wrapping_add(1), Ordering::Relaxed);
        // Its partner is in `Store::sweep`.
        asymmetric::light();
        let Some(object) = object(self.object.load(Ordering::Relaxed)) else {
            cold();
            self.takes.store(takes, Ordering::Release);
            return None;
        };
        self.write(ptr::null_mut(), Ordering::Relaxed);
        self.takes.store(takes.wrapping_add(2), Ordering::Release);
        Some(object)
    }

    /// Puts an object in, or gives it back if one is here or the slot is closed.
    /// Owner only.
    #[inline(always)]
    pub fn put(&self, object: Object) -> Result<(), Object> {
        if !self.object.load(Ordering::Relaxed).is_null() {
            return Err(object);
        }
        // Release: for the sweeper, who may take it.
        self.write(object.into_ptr().as_ptr(), Ordering::Release);
        Ok(())
    }

    /// The owner's store: a plain one.
    #[cfg(not(loom_models))]
    #[inline(always)]
    fn write(&self, object: *mut (), order: Ordering) {
        self.object.store(object, order);
    }

    /// Loom lets a plain store come between the two halves of another thread's swap,
    /// which no machine does. (Its modification order knows only what happened before
    /// what.) Among read-modify-writes it keeps order.
    #[cfg(loom_models)]
    fn write(&self, object: *mut (), order: Ordering) {
        self.object.swap(object, order);
    }

    /// Opens a slot that is new. Owner only.
    pub fn open(&self) {
        self.write(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Closes the slot for good and takes out what is in it. With no sweeper about: by
    /// its owner, as that ends, or by who drops the pool, for whom there is none left.
    pub fn retire(&self) -> Option<Object> {
        let object = object(self.object.load(Ordering::Relaxed));
        self.write(CLOSED, Ordering::Relaxed);
        object
    }

    /// Step 1 of a sweep: what may become the sweeper's. `unused` spares what was not
    /// here at the last trim or was used since.
    pub fn close(&self, unused: bool) -> Option<Object> {
        let found = Found {
            takes: self.takes.load(Ordering::Relaxed),
            full: self.is_full(),
        };
        let before = self.trimmed.replace(found);
        if !found.full || unused && found != before {
            return None;
        }
        // Acquire: what the owner did to the object before it put it in.
        let object = object(self.object.swap(CLOSED, Ordering::Acquire));
        if object.is_none() {
            // The owner has just taken it.
            self.reopen();
        }
        object
    }

    /// Steps 2 and 3: the object that [`close`](Self::close) gave, if it is the
    /// sweeper's.
    pub fn settle(&self, object: Object) -> Option<Object> {
        // Acquire: the owner's last store to the slot comes with it.
        while self.takes.load(Ordering::Acquire) % 2 == 1
            && self.object.load(Ordering::Relaxed) == CLOSED
        {
            yield_now();
        }
        if self.reopen() {
            // What the owner puts in next is new, though no hit tells it from this one.
            self.trimmed.set(Found {
                full: false,
                ..self.trimmed.get()
            });
            Some(object)
        } else {
            // The owner took it in the meantime: it is the owner's to free.
            let _ = object.into_ptr();
            None
        }
    }

    /// Empties the slot if it is closed still.
    fn reopen(&self) -> bool {
        self.object
            .compare_exchange(
                CLOSED,
                ptr::null_mut(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Objects taken by the owner.
    #[inline(always)]
    pub fn hits(&self) -> usize {
        self.takes.load(Ordering::Relaxed) / 2
    }

    /// Whether an object is in it. From another thread: as of a moment ago.
    pub fn is_full(&self) -> bool {
        object(self.object.load(Ordering::Relaxed)).is_some()
    }
}
