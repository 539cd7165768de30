//! The private slot: one object that its thread takes and puts at no cost.

mod state;

pub use state::OFTEN;

use crate::{
    asymmetric,
    object::Object,
    sync::{AtomicPtr, AtomicUsize, Ordering, const_unless_loom, yield_now},
};
use state::State;
use std::{
    cell::Cell,
    ptr::{self, NonNull},
};

/// Stands for "closed". No object has this address, see `Object::from_box`.
const CLOSED: *mut () = ptr::without_provenance_mut(1);

/// A place for one object: empty (null), full, or closed.
///
/// Its **owner** takes with a load and a store, and puts with a load and a store; or it
/// is *lent* the object, which stays in its place meanwhile, and takes nothing while it
/// is. A **sweeper**, of which there is one at a time, takes from outside:
///
/// 1. It swaps a full slot's object for `CLOSED`.
/// 2. After the heavy fence it waits until the owner is not taking.
/// 3. If the owner is lent the object, it puts that back in place of `CLOSED`, if that
///    is there still. Otherwise, if the slot is `CLOSED` still, the object is the
///    sweeper's, and it opens the slot. If not, the object is the owner's.
///
/// The owner's *take* makes its `state` taking, then light fence, load, store null, and
/// makes it free. Either it loads after the swap: then it finds the slot closed and
/// writes nothing, and 3 sees `CLOSED`. Or it loads before: then by the pair of fences
/// the sweeper sees it taking, or free again, and with that the null (or what the owner
/// put after it) that was written over `CLOSED`. The owner's *put* stores only over
/// null. It may do so late, over a `CLOSED` that replaced an object which the owner
/// took; the sweeper then sees that object's place overwritten as well. So it needs no
/// fence.
///
/// The owner's *lend* makes its `state` lent, then light fence, load, and, when the use
/// is over, makes it free. Either it loads after the swap: then it finds the slot closed
/// and has nothing. Or it loads before: then by the fences the sweeper sees it lent, and
/// puts the object back, or free again, and with that all the use did to the object. If
/// the sweeper sees it lent though it found the slot closed, the object goes back unswept.
/// The owner takes a lent object out for good with a store of null, over the object or
/// over `CLOSED`: after that the sweeper finds no `CLOSED` to put it back to.
#[derive(Debug)]
#[repr(C)]
pub struct Slot {
    object: AtomicPtr<()>,
    /// What the owner is at, and the objects it took or was lent. Written by the owner
    /// alone, with plain stores: flags and count in one, which halves the stores.
    state: AtomicUsize,
    /// What the last trim found; the sweeper's.
    trimmed: Cell<Found>,
}

/// What a trim saw of a slot: an object that is there at the next trim, too, with
/// no hit between, was not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    state: State,
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
                state: AtomicUsize::new(0),
                trimmed: Cell::new(Found { state: State::NEW, full: false }),
            }
        }
    }

    #[inline(always)]
    fn state(&self) -> State {
        State::of(self.state.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn set_state(&self, state: State, order: Ordering) {
        self.state.store(state.word(), order);
    }

    /// As [`take`](Self::take), but for once in [`OFTEN`] hits. Owner only.
    #[inline(always)]
    pub fn take_often(&self) -> Option<Object> {
        let state = self.state();
        if state.is_special() {
            cold();
            return None;
        }
        self.take_after(state)
    }

    /// Takes the object out, if there is one and it is not lent, and counts the hit.
    /// Owner only.
    #[inline]
    pub fn take(&self) -> Option<Object> {
        let state = self.state();
        if state.is_busy() {
            return None;
        }
        self.take_after(state.renewed())
    }

    #[inline(always)]
    fn take_after(&self, state: State) -> Option<Object> {
        self.set_state(state.taking(), Ordering::Relaxed);
        // Its partner is in `Store::sweep`.
        asymmetric::light();
        let Some(object) = object(self.object.load(Ordering::Relaxed)) else {
            cold();
            self.set_state(state, Ordering::Release);
            return None;
        };
        self.write(ptr::null_mut(), Ordering::Relaxed);
        self.set_state(state.hit(), Ordering::Release);
        Some(object)
    }

    /// Lends the object where it is, if there is one, but for once in [`OFTEN`] hits.
    /// Owner only.
    #[inline(always)]
    pub fn lend_often(&self) -> Option<(Lent<'_>, Before)> {
        let before = self.state();
        if before.is_special() {
            cold();
            return None;
        }
        self.set_state(before.lent(), Ordering::Relaxed);
        // Its partner is in `Store::sweep`.
        asymmetric::light();
        let Some(object) = object(self.object.load(Ordering::Relaxed)) else {
            cold();
            self.set_state(before, Ordering::Release);
            return None;
        };
        Some((Lent { slot: self, object }, Before(before)))
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
    ///
    /// What is lent is left to its use, and leaks: a thread that ends while it uses an
    /// object has called `exit` there, and others may go on for a while.
    pub fn retire(&self) -> Option<Object> {
        let object = object(self.object.load(Ordering::Relaxed));
        self.write(CLOSED, Ordering::Relaxed);
        object.filter(|_| !self.is_lent())
    }

    /// Step 1 of a sweep: what may become the sweeper's. `unused` spares what was not
    /// here at the last trim or was used since.
    pub fn close(&self, unused: bool) -> Option<Object> {
        let found = Found {
            state: self.state(),
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
            self.replace_closed(ptr::null_mut());
        }
        object
    }

    /// Steps 2 and 3: the object that [`close`](Self::close) gave, if it is the
    /// sweeper's.
    pub fn settle(&self, object: Object) -> Option<Object> {
        // Acquire: the owner's last store to the slot comes with it, and what it did to
        // an object that it was lent.
        let mut state = State::of(self.state.load(Ordering::Acquire));
        while state.is_taking() && self.object.load(Ordering::Relaxed) == CLOSED {
            yield_now();
            state = State::of(self.state.load(Ordering::Acquire));
        }
        if state.is_lent() {
            // In use, or about to find the slot closed. If the owner has taken it out
            // in the meantime, it is the owner's to free.
            let _ = self.replace_closed(object.into_ptr().as_ptr());
            return None;
        }
        if self.replace_closed(ptr::null_mut()) {
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

    /// Opens the slot if it is closed still, with that in it.
    fn replace_closed(&self, by: *mut ()) -> bool {
        self.object
            .compare_exchange(CLOSED, by, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Objects that the owner took or was lent; also one that it is lent now, unless a
    /// sweep is on.
    #[inline]
    pub fn hits(&self) -> usize {
        let (full, state) = self.look();
        state.hits() + usize::from(full && state.is_lent())
    }

    /// Whether an idle object is in it. From another thread: as of a moment ago.
    pub fn is_full(&self) -> bool {
        let (full, state) = self.look();
        full && !state.is_lent()
    }

    /// Whether its owner uses what is in it.
    pub fn is_lent(&self) -> bool {
        self.state().is_lent()
    }

    fn look(&self) -> (bool, State) {
        // Acquire, and in this order: with an object that was lent and has been taken
        // since comes a state that counts it, so that hits never become less.
        let full = object(self.object.load(Ordering::Acquire)).is_some();
        (full, self.state())
    }
}

/// An object that is lent to the owner of the slot that it stays in. Ends in one of two
/// ways; until then the slot takes nothing. Two words, to be passed in registers.
#[derive(Debug)]
pub struct Lent<'a> {
    slot: &'a Slot,
    object: Object,
}

/// What the slot's state was before that, which need not be loaded again for its end.
#[derive(Clone, Copy, Debug)]
pub struct Before(State);

impl Lent<'_> {
    /// The object, the borrower's alone until the end.
    #[inline(always)]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Leaves it where it is, and counts the hit.
    #[inline(always)]
    pub fn end(self, before: Before) {
        // Release: for a sweeper, who may take it as it is now.
        self.slot.set_state(before.0.hit(), Ordering::Release);
    }

    /// Takes it out, and counts the hit.
    #[inline]
    pub fn take(self) -> Object {
        self.slot.write(ptr::null_mut(), Ordering::Relaxed);
        let before = self.slot.state().free();
        self.slot.set_state(before.hit(), Ordering::Release);
        self.object
    }
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use super::*;

    fn slot_with_an_object() -> Slot {
        let slot = Slot::new_closed();
        slot.open();
        slot.put(Object::from_box(Box::new(7))).unwrap();
        let object = slot.take().unwrap();
        slot.put(object).unwrap();
        slot
    }

    fn into_box(object: Object) -> Box<i32> {
        // SAFETY: all objects here are made from a `Box<i32>`.
        unsafe { object.into_box() }
    }

    #[test]
    fn who_looks_finds_an_object_idle_or_in_use() {
        let slot = slot_with_an_object();
        let look = || (slot.is_full(), slot.is_lent(), slot.hits());
        assert_eq!(look(), (true, false, 1));
        let (lent, before) = slot.lend_often().unwrap();
        assert_eq!(look(), (false, true, 2));
        lent.end(before);
        assert_eq!(look(), (true, false, 2));
        let (lent, _) = slot.lend_often().unwrap();
        drop(into_box(lent.take()));
        assert_eq!(look(), (false, false, 3));
        assert!(slot.lend_often().is_none());
        assert_eq!(look(), (false, false, 3));
    }

    #[test]
    fn a_slot_that_is_retired_while_its_object_is_lent_leaves_it_to_its_use() {
        let slot = slot_with_an_object();
        let (lent, _) = slot.lend_often().unwrap();
        assert!(slot.retire().is_none());
        drop(into_box(lent.take()));
    }
}
