//! What becomes of an object that comes back.

use super::Pool;
use crate::{
    TryPolicy,
    depot::Depot,
    object::{Idle, Object},
};

impl<T, P: TryPolicy<T>> Pool<T, P> {
    /// What a guard does as it goes.
    #[inline(always)]
    pub(crate) fn put_after_use(&self, object: Box<T>) {
        self.put_after_use_to(object, |idle| self.put_idle(idle));
    }

    /// The same, with the place to keep it in.
    #[inline(always)]
    pub(crate) fn put_after_use_to(&self, object: Box<T>, keep: impl FnOnce(Idle)) {
        if std::thread::panicking() {
            self.put_while_panicking(object);
        } else {
            self.reset_and(object, keep);
        }
    }

    #[inline(always)]
    pub(super) fn put_back(&self, object: Box<T>) {
        self.reset_and(object, |idle| self.put_idle(idle));
    }

    #[inline(always)]
    pub(super) fn reset_and(&self, mut object: Box<T>, keep: impl FnOnce(Idle)) {
        let panicked = CountPanic(&self.depot);
        let weight = self.reset(&mut object);
        std::mem::forget(panicked);
        match weight {
            Some(weight) => keep(Idle {
                object: Object::from_box(object),
                weight,
            }),
            None => self.drop_refused(object),
        }
    }

    /// What it weighs, if it is to be kept.
    #[inline(always)]
    pub(super) fn reset(&self, object: &mut T) -> Option<usize> {
        let fit = self.policy.reset(object);
        #[cfg(feature = "checks")]
        let fit = fit && self.check(object);
        fit.then(|| self.weight_of(object))
    }

    #[inline(always)]
    pub(super) fn put_idle(&self, idle: Idle) {
        if let Err(idle) = self.depot.put_slot(idle) {
            self.put_past_the_slot(idle);
        }
    }

    /// An object that was not out yet, ready to be kept.
    pub(super) fn weighed(&self, object: Box<T>) -> Idle {
        let panicked = CountPanic(&self.depot);
        let weight = self.weight_of(&object);
        std::mem::forget(panicked);
        Idle {
            object: Object::from_box(object),
            weight,
        }
    }

    /// What the policy says it weighs, within what places can be counted.
    #[inline(always)]
    fn weight_of(&self, object: &T) -> usize {
        self.policy.weigh(object).clamp(1, isize::MAX as usize)
    }

    /// Out of line, as `take_or_make` is.
    #[inline(never)]
    pub(crate) fn put_past_the_slot(&self, idle: Idle) {
        if let Err(idle) = self.depot.put(idle) {
            self.drop_full(idle);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn put_while_panicking(&self, object: Box<T>) {
        if self.keep_after_panic {
            self.put_back(object);
        } else {
            self.drop_panicked(object);
        }
    }

    pub(super) fn drop_panicked(&self, object: Box<T>) {
        self.depot.count(|counters| &counters.panicked, 1);
        drop(object);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn drop_refused(&self, object: Box<T>) {
        self.depot.count(|counters| &counters.refused, 1);
        drop(object);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn drop_full(&self, idle: Idle) {
        // A box before the rest, which may drop others and so may panic.
        // SAFETY: whatever is idle in here was made from a `Box<T>`.
        let object = unsafe { idle.object.into_box::<T>() };
        self.depot.count_full(idle.weight);
        drop(object);
    }
}

/// Counts an object as lost to a panic, unless it is forgotten.
struct CountPanic<'a>(&'a Depot);

impl Drop for CountPanic<'_> {
    fn drop(&mut self) {
        self.0.count(|counters| &counters.panicked, 1);
    }
}
