//! The ring that holds accepted jobs inline.
//!
//! The slot of number `n` is `n % size`. Its state is `n` while it is free for
//! job `n`, `n + 1` while it holds job `n`, and `n + size` once that job was
//! moved out, which is free for the next lap. The idea is Vyukov's bounded
//! queue; there, two indices decide who fills and empties which slot, here it
//! is the ledger, whose tickets exist once for each number.

use std::mem::MaybeUninit;

use super::ledger::{PutTicket, TakeTicket};
use crate::sync::{AtomicU32, AtomicU64, Ordering, UnsafeCell, spin_loop, yield_now};

struct Slot<J> {
    state: AtomicU32,
    /// When the job in it was accepted. An atomic, because anyone may look.
    stamp: AtomicU64,
    entry: UnsafeCell<MaybeUninit<J>>,
}

/// A slot on cache lines of its own: the next one is another worker's.
#[repr(align(64))]
struct Apart<J>(Slot<J>);

enum Ring<J> {
    Apart(Box<[Apart<J>]>),
    /// What many of them would take of the memory is more than they would gain.
    Close(Box<[Slot<J>]>),
}

/// The most slots that have cache lines of their own.
const MOST_APART: usize = 4096;

pub(super) struct Slots<J> {
    ring: Ring<J>,
    mask: u32,
}

// SAFETY: a job is moved in by one thread and out by another, which needs
// `J: Send`. It is never reached through a shared reference, so `J: Sync` is
// not needed: the entry of a slot is accessed only by the holder of the one
// ticket whose turn the state says it is.
unsafe impl<J: Send> Sync for Slots<J> {}

impl<J> Slots<J> {
    pub(super) fn new(at_least: usize) -> Self {
        // With one slot, "holds n" and "free for the next lap" would be equal.
        let size = at_least.next_power_of_two().max(2);
        let slots = (0..size as u32).map(|number| Slot {
            state: AtomicU32::new(number),
            stamp: AtomicU64::new(0),
            entry: UnsafeCell::new(MaybeUninit::uninit()),
        });
        let ring = if size <= MOST_APART {
            Ring::Apart(slots.map(Apart).collect())
        } else {
            Ring::Close(slots.collect())
        };
        let mask = size as u32 - 1;
        Self { ring, mask }
    }

    #[inline]
    fn slot(&self, number: u32) -> &Slot<J> {
        let place = (number & self.mask) as usize;
        match &self.ring {
            Ring::Apart(slots) => &slots[place].0,
            Ring::Close(slots) => &slots[place],
        }
    }

    /// Moves the job of this ticket in. The slot is free, or about to be: the
    /// limit lets this ticket exist only after the slot's last job was taken.
    #[inline]
    pub(super) fn put(&self, ticket: PutTicket, job: J, stamp: u64) {
        let number = ticket.spend();
        let slot = self.slot(number);
        wait_for(&slot.state, number);
        // Release: who sees it sees that the slot's last job was taken.
        slot.stamp.store(stamp, Ordering::Release);
        slot.entry.with_mut(|entry| {
            // SAFETY: the state says the slot is free for `number`, the ledger
            // made one `PutTicket` for it, and this is it; takers wait for
            // `number + 1`. So no one else accesses the entry.
            unsafe { entry.cast::<J>().write(job) };
        });
        // Pairs with the Acquire in `is_ready` and `take`.
        slot.state.store(number.wrapping_add(1), Ordering::Release);
    }

    /// Whether the job of this number lies in its slot.
    #[inline]
    pub(super) fn is_ready(&self, number: u32) -> bool {
        self.slot(number).state.load(Ordering::Acquire) == number.wrapping_add(1)
    }

    /// Moves the job of this ticket into `hand`, and tells when it was
    /// accepted. It is there, or about to be.
    ///
    /// Into the place where it will be run: a job that is handed on from call
    /// to call is copied each time, and a copy right after a copy is slow.
    #[inline]
    pub(super) fn take(&self, ticket: TakeTicket, hand: &mut Option<J>) -> u64 {
        let number = ticket.spend();
        let slot = self.slot(number);
        wait_for(&slot.state, number.wrapping_add(1));
        let stamp = slot.stamp.load(Ordering::Relaxed);
        *hand = slot.entry.with_mut(|entry| {
            // SAFETY: the state says the slot holds job `number`, written by
            // `put` and published by its Release. The ledger made one
            // `TakeTicket` for it, and this is it, so it is read once.
            Some(unsafe { entry.cast::<J>().read() })
        });
        // Pairs with the Acquire in `put` one lap later.
        let next_lap = number.wrapping_add(self.mask).wrapping_add(1);
        slot.state.store(next_lap, Ordering::Release);
        stamp
    }

    /// When the job of this number was accepted, if it lies in its slot.
    pub(super) fn stamp(&self, number: u32) -> Option<u64> {
        // In this order: the stamp of a job that is yet to be put down is an earlier one's.
        // If it is a later job's, the caller, who looks once more, sees that this one is
        // the oldest no longer.
        self.is_ready(number)
            .then(|| self.slot(number).stamp.load(Ordering::Acquire))
    }
}

/// Waits until the one thread that may bring `state` to `wanted` has done so.
/// That thread is between two adjacent steps, so the wait is short unless it
/// was descheduled there.
#[inline]
fn wait_for(state: &AtomicU32, wanted: u32) {
    if state.load(Ordering::Acquire) != wanted {
        wait_longer(state, wanted);
    }
}

#[cold]
#[inline(never)]
fn wait_longer(state: &AtomicU32, wanted: u32) {
    let mut spins = 0u32;
    while state.load(Ordering::Acquire) != wanted {
        if spins < 64 && !cfg!(loom_models) {
            spins += 1;
            spin_loop();
        } else {
            yield_now();
        }
    }
}
