//! The group's word: how many tasks are active, and three flags, in one atomic,
//! so that a task of an unlimited group costs one operation to admit and one to
//! finish, and each of them learns everything it has to react to.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::sync::AtomicUsize;

const CANCELLED: usize = 1;
const JOINING: usize = 2;
const LIMITED: usize = 4;
/// One active task (or runner, or slot that was granted and not yet used).
const UNIT: usize = 8;

#[derive(Debug)]
pub(crate) struct Word(AtomicUsize);

/// What the word held at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen(usize);

impl Seen {
    /// Slots in use.
    pub(crate) fn active(self) -> usize {
        self.0 / UNIT
    }

    /// Nothing may start any more.
    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    /// Somebody awaits the last task; who takes `active` to 0 wakes them.
    pub(crate) fn is_joining(self) -> bool {
        self.0 & JOINING != 0
    }

    /// Slots are given out under the queue's lock only.
    pub(crate) fn is_limited(self) -> bool {
        self.0 & LIMITED != 0
    }
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Acquire, for `set_cancelled`: who sees the cancel sees what came before.
    #[inline]
    pub(crate) fn load(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }

    /// Takes a slot; returns what was there before.
    #[inline]
    pub(crate) fn add(&self) -> Seen {
        // Acquire for the cancelled flag; the task reaches its runner by other
        // means, so there is nothing to release.
        Seen(self.0.fetch_add(UNIT, Acquire))
    }

    /// Gives a slot back; returns what was there before.
    #[inline]
    pub(crate) fn sub(&self) -> Seen {
        // Release for the effects of the task, which `begin_join` or `end`
        // acquires; Acquire so that the last one sees the join's waker.
        Seen(self.0.fetch_sub(UNIT, AcqRel))
    }

    /// Called with the verdict's lock held and the cause stored.
    pub(crate) fn set_cancelled(&self) {
        // Release: pairs with `load`, `add`.
        self.0.fetch_or(CANCELLED, Release);
    }

    /// Called with the queue's lock held.
    pub(crate) fn set_limited(&self, limited: bool) {
        // The limit itself is read under the lock.
        if limited {
            self.0.fetch_or(LIMITED, Relaxed);
        } else {
            self.0.fetch_and(!LIMITED, Relaxed);
        }
    }

    /// From here on, who takes `active` to 0 wakes the join.
    pub(crate) fn begin_join(&self) {
        // Release: the waker was stored before; pairs with `sub`.
        self.0.fetch_or(JOINING, Release);
    }

    /// Ends the group if nothing is active: one step, so that a spawn either
    /// comes before (and this fails) or is refused.
    pub(crate) fn end(&self) -> bool {
        // Acquire in every failure and success: the effects of the last tasks.
        self.0
            .fetch_update(AcqRel, Acquire, |word| {
                (word < UNIT).then_some(word | CANCELLED)
            })
            .is_ok()
    }
}
