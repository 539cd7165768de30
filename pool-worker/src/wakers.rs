//! Who waits for an event.
//!
//! A waker is foreign: to clone, wake or drop one may run anything, a call of the very
//! pool that it waits for included. So it is cloned before a lock is taken, and what comes
//! out of here is woken or dropped after the lock is free.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::panic;

/// Names one who waits; none as long as that has left no waker.
pub(crate) type Key = Option<u64>;

/// The event may come more than once: then all are taken, and who waits on leaves its
/// waker again. No key is used twice, so to remove an old one takes nobody else's waker.
#[derive(Default)]
pub(crate) struct Wakers {
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

impl Wakers {
    /// Leaves the waker here until the event. Gives the one that it replaces.
    #[must_use = "to be dropped when nothing is locked"]
    pub(crate) fn leave(&mut self, key: &mut Key, waker: Waker) -> Option<Waker> {
        let key = *key.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.waiting.insert(key, waker)
    }

    /// Takes the waker of one who waits no longer.
    #[must_use = "to be dropped when nothing is locked"]
    pub(crate) fn remove(&mut self, key: u64) -> Option<Waker> {
        self.waiting.remove(&key)
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

/// Wakes all. A waker that panics, which the panic hook has told by then, costs neither the
/// others their wake-up nor a worker its life.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        panic::contain(|| waker.wake());
    }
}
