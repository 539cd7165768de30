//! What becomes of an object that comes back.

use super::Pool;
use crate::{Policy, depot::Depot, object::Object};

impl<T, P: Policy<T>> Pool<T, P> {
    /// What a guard does as it goes.
    #[inline(always)]
    pub(crate) fn put_after_use(&self, object: Box<T>) {
        if std::thread::panicking() {
            self.put_while_panicking(object);
        } else {
            self.put_back(object);
        }
    }

    #[inline(always)]
    pub(super) fn put_back(&self, mut object: Box<T>) {
        let panicked = CountPanic(&self.depot);
        let keep = self.policy.reset(&mut object);
        std::mem::forget(panicked);
        if !keep {
            self.drop_refused(object);
        } else if let Err(object) = self.depot.put_slot(Object::from_box(object)) {
            self.put_past_the_slot(object);
        }
    }

    /// Out of line, as `take_or_make` is.
    #[inline(never)]
    fn put_past_the_slot(&self, object: Object) {
        if let Err(object) = self.depot.put(object) {
            // SAFETY: it was made from a `Box<T>` by `put_back`.
            self.drop_full(unsafe { object.into_box() });
        }
    }

    #[cold]
    #[inline(never)]
    fn put_while_panicking(&self, object: Box<T>) {
        if self.keep_after_panic {
            self.put_back(object);
        } else {
            self.depot.count(|counters| &counters.panicked, 1);
            drop(object);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_refused(&self, object: Box<T>) {
        self.depot.count(|counters| &counters.refused, 1);
        drop(object);
    }

    #[cfg(feature = "bytes")]
    #[cold]
    #[inline(never)]
    pub(crate) fn drop_oversized(&self, object: Box<T>) {
        self.depot.count(|counters| &counters.oversized, 1);
        drop(object);
    }

    #[cold]
    #[inline(never)]
    fn drop_full(&self, object: Box<T>) {
        self.depot.count(|counters| &counters.full, 1);
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
