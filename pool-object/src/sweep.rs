//! Emptying caches from outside, also those of threads that sleep.

use crate::{
    asymmetric,
    cache::Cache,
    object::{Idle, Object},
    shard::total_weight,
    store::Store,
    sync::lock,
};
use std::ptr::NonNull;

/// What a sweep takes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// Whatever is idle.
    All,
    /// What was idle at the last trim and was not used since.
    Unused,
    /// As much as there is beyond the bound, which was lowered: from the shards, and if
    /// that does not do, whatever is in the caches.
    Excess,
}

impl Store {
    /// Takes idle objects out of the shards and of every thread's cache; `own` is the
    /// calling thread's. Where caches of other threads are out of reach (see
    /// [`asymmetric::available`]), of this one only.
    ///
    /// The list's lock makes it the one sweeper of each cache. Owners never wait for
    /// that lock inside a gate or while their count of takes is odd, so the waiting here
    /// ends; and when this returns, each is open again.
    pub(crate) fn sweep(&self, what: Sweep, own: Option<NonNull<Cache>>) -> Vec<Object> {
        let shards = match what {
            Sweep::All => self.shards.drain(),
            Sweep::Unused => self.shards.trim(),
            Sweep::Excess => self.take_excess(),
        };
        self.budget.give_back(total_weight(&shards));
        let mut swept: Vec<_> = shards.into_iter().map(|idle| idle.object).collect();
        if what == Sweep::Excess && self.budget.excess() == 0 {
            return swept;
        }
        let listed = lock(&self.caches);
        let all_in_reach = asymmetric::available();
        let caches = listed
            .iter()
            .filter(|cache| all_in_reach || own == Some(NonNull::from(*cache)));

        // The slots in question are closed, and the gates shut ...
        let mut closed = Vec::new();
        for cache in caches.clone() {
            cache.gate.shut();
            for slot in cache.slots() {
                let object = slot.close(what == Sweep::Unused);
                closed.extend(object.map(|object| (slot, object)));
            }
        }
        // ... before it is asked who was there. Partners: `Slot::take`, `Gate::enter`.
        if all_in_reach {
            asymmetric::heavy();
        }
        swept.extend(
            closed
                .into_iter()
                .filter_map(|(slot, object)| slot.settle(object)),
        );
        for cache in caches {
            cache.gate.wait();
            let aged = |idle: Idle| swept.push(idle.object);
            cache.magazine.trim(what != Sweep::Unused, aged);
            self.budget.give_back(cache.magazine.narrow());
            cache.gate.open();
        }
        swept
    }

    /// Takes out of the shards what stands in for places that there are too many of.
    fn take_excess(&self) -> Vec<Idle> {
        let (mut taken, mut weight) = (Vec::new(), 0);
        while weight < self.budget.excess()
            && self.shards.pop(0, 1, |idle| taken.push(idle)).is_some()
        {
            weight += taken.last().map_or(0, |idle| idle.weight);
        }
        taken
    }
}
