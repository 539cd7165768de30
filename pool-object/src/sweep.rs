//! Emptying caches from outside, also those of threads that sleep.

use crate::{
    asymmetric,
    cache::Cache,
    object::{Idle, Object},
    shard::total_weight,
    store::{Caches, Store},
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
        };
        self.budget.give_back(total_weight(&shards));
        let mut swept: Vec<_> = shards.into_iter().map(|idle| idle.object).collect();
        let listed = lock(&self.caches);
        let caches = in_reach(&listed, own);

        // The slots in question are closed, and the gates shut ...
        let mut closed = Vec::new();
        for cache in caches.clone() {
            cache.gate.shut();
            for slot in cache.slots() {
                let object = slot.close(what == Sweep::Unused);
                closed.extend(object.map(|object| (slot, object)));
            }
        }
        // ... before it is asked who was there.
        fence(&listed);
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

    /// Takes out what is idle beyond the bound, which was lowered, and no more: places that
    /// magazines hold and do not fill go first, then what is in the shards, in magazines,
    /// and in slots, whose places stay with them.
    ///
    /// Reach, locks and waiting are those of [`sweep`](Self::sweep).
    pub(crate) fn sweep_excess(&self, own: Option<NonNull<Cache>>) -> Vec<Object> {
        let mut swept = Vec::new();
        if self.budget.excess() == 0 {
            return swept;
        }
        let listed = lock(&self.caches);
        let caches = in_reach(&listed, own);
        caches.clone().for_each(|cache| cache.gate.shut());
        fence(&listed);
        for cache in caches.clone() {
            cache.gate.wait();
            self.budget.give_back(cache.magazine.narrow());
        }
        let mut take = |idle: Idle| {
            self.budget.give_back(idle.weight);
            swept.push(idle.object);
        };
        while self.budget.excess() > 0 && self.shards.pop(0, 1, &mut take).is_some() {}
        for cache in caches.clone() {
            while self.budget.excess() > 0
                && let Some(idle) = cache.magazine.shed()
            {
                take(idle);
            }
            cache.gate.open();
        }

        let (mut left, mut closed) = (self.budget.excess(), Vec::new());
        for (slot, room) in caches.flat_map(Cache::slots_with_room) {
            if left == 0 {
                break;
            }
            if let Some(object) = slot.close(false) {
                left = left.saturating_sub(room);
                closed.push((slot, object));
            }
        }
        fence(&listed);
        let settled = closed.into_iter();
        swept.extend(settled.filter_map(|(slot, object)| slot.settle(object)));
        swept
    }
}

/// The caches that a sweep by the owner of `own` can reach.
fn in_reach(listed: &Caches, own: Option<NonNull<Cache>>) -> impl Iterator<Item = &Cache> + Clone {
    let all = asymmetric::available();
    let caches = listed.iter();
    caches.filter(move |cache| all || own == Some(NonNull::from(*cache)))
}

/// Between what is shut and the look at who is there, with the list's lock held. Partners:
/// `Slot::take`, `Gate::enter`.
fn fence(_listed: &Caches) {
    if asymmetric::available() {
        asymmetric::heavy();
    }
}
