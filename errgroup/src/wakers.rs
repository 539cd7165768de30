//! A set of wakers of those who wait for one event.

use std::task::Waker;

/// A slab: a key stays valid until it is removed or the set is taken.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    /// Registers under `key`, or under a new key that is stored there.
    pub(crate) fn register(&mut self, key: &mut Option<usize>, waker: &Waker) {
        if let Some(key) = *key {
            match &mut self.slots[key] {
                Some(old) => old.clone_from(waker),
                empty => *empty = Some(waker.clone()),
            }
        } else if let Some(free) = self.free.pop() {
            self.slots[free] = Some(waker.clone());
            *key = Some(free);
        } else {
            *key = Some(self.slots.len());
            self.slots.push(Some(waker.clone()));
        }
    }

    /// Frees the key; harmless after `take`.
    pub(crate) fn remove(&mut self, key: usize) {
        if let Some(slot) = self.slots.get_mut(key) {
            *slot = None;
            self.free.push(key);
        }
    }

    /// Takes all of them, to be woken outside the lock. The event happens once,
    /// so nobody registers afterwards.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.free = Vec::new();
        std::mem::take(&mut self.slots).into_iter().flatten()
    }
}
