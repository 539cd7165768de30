//! A set of wakers of those who wait for one event.

use std::task::Waker;

/// Puts a waker into its place, unless the one there wakes the same; what was there
/// comes back. It may be the last that keeps a task, whose drop is anybody's code.
pub(crate) fn renew(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|old| old.will_wake(waker)) {
        return None;
    }
    place.replace(waker.clone())
}

/// A slab: a key stays valid until it is removed or the set is taken.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    /// Registers under `key`, or under a new key that is stored there. The waker that
    /// this takes the place of comes back, to be dropped outside the lock.
    pub(crate) fn register(&mut self, key: &mut Option<usize>, waker: &Waker) -> Option<Waker> {
        if let Some(key) = *key {
            return renew(&mut self.slots[key], waker);
        }
        if let Some(free) = self.free.pop() {
            self.slots[free] = Some(waker.clone());
            *key = Some(free);
        } else {
            self.slots.push(Some(waker.clone()));
            *key = Some(self.slots.len() - 1);
        }
        None
    }

    /// Frees the key; harmless after `take`. The waker is to be dropped outside the
    /// lock.
    pub(crate) fn remove(&mut self, key: usize) -> Option<Waker> {
        let slot = self.slots.get_mut(key)?;
        self.free.push(key);
        slot.take()
    }

    /// Takes all of them, to be woken outside the lock. The event happens once,
    /// so nobody registers afterwards.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.free = Vec::new();
        std::mem::take(&mut self.slots).into_iter().flatten()
    }
}
