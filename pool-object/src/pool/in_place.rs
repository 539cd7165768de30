//! The use of an object where it is, without taking it out.

use super::Pool;
use crate::{
    Policy, TryPolicy,
    object::Idle,
    slot::{Before, Lent},
};
use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

impl<T, P: Policy<T>> Pool<T, P> {
    /// Lends an object that is idle, or a new one, to `use_it`; it goes back as that
    /// returns. The fastest way: what is in the thread's own slot need not leave it.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::with_reset(String::new, |line| { line.clear(); true });
    /// let length = pool.with(|line| {
    ///     line.push_str("no guard to keep");
    ///     line.len()
    /// });
    /// assert_eq!((length, pool.stats().idle), (16, 1));
    /// ```
    ///
    /// While `use_it` runs the pool may be used as ever, this way too: it hands out other
    /// objects.
    ///
    /// # Panics
    /// If `use_it` does. The object is then dropped, unless the pool
    /// [keeps it](Self::keep_after_panic).
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R {
        if self.lends_in_place()
            && let Some(cache) = self.depot.cache()
            && let Some(lent) = cache.slot.lend_often()
        {
            let fits = |weight| cache.fits_slot(weight);
            let keep = |idle| self.put_idle(idle);
            self.use_lent(lent, fits, keep, use_it)
        } else {
            self.use_out_of_place(use_it)
        }
    }

    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "checks", track_caller)]
    fn use_out_of_place<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> R {
        self.use_taken(self.take(), |idle| self.put_idle(idle), use_it)
    }
}

impl<T, P> Pool<T, P> {
    /// Whether an object may be used where it is: who checks the use of objects is to see
    /// each of them come and go.
    #[inline(always)]
    pub(crate) const fn lends_in_place(&self) -> bool {
        #[cfg(feature = "checks")]
        return self.checker.checks.is_none();
        #[cfg(not(feature = "checks"))]
        true
    }
}

impl<T, P: TryPolicy<T>> Pool<T, P> {
    /// Uses what is lent; `keep` keeps it if it does not fit its place any more.
    #[inline(always)]
    pub(crate) fn use_lent<'a, R>(
        &'a self,
        (lent, before): (Lent<'a>, Before),
        fits: impl FnOnce(usize) -> bool,
        keep: impl FnOnce(Idle),
        use_it: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut object = lent.object().place::<T>();
        // SAFETY: what is in a slot of this pool was made from a `Box<T>`, and is alone
        // with this thread until `Lent` ends.
        let object = unsafe { object.as_mut() };
        let (lent, result) = self.guarded::<_, IN_USE>(lent, || use_it(object));
        let (lent, weight) = self.guarded::<_, IN_RESET>(lent, || self.reset(object));
        match weight {
            Some(weight) if fits(weight) => lent.end(before),
            Some(weight) => keep(Idle {
                object: lent.take(),
                weight,
            }),
            // SAFETY: as above.
            None => self.drop_refused(unsafe { lent.take().into_box() }),
        }
        result
    }

    /// Uses what was taken; `keep` takes it back.
    ///
    /// A guard would ask whether the thread panics, and that it may do for another reason.
    #[cfg_attr(feature = "checks", track_caller)]
    pub(crate) fn use_taken<R>(
        &self,
        mut object: Box<T>,
        keep: impl FnOnce(Idle),
        use_it: impl FnOnce(&mut T) -> R,
    ) -> R {
        #[cfg(feature = "checks")]
        let ticket = self.checker().open_loan();
        let used = catch_unwind(AssertUnwindSafe(|| use_it(&mut object)));
        #[cfg(feature = "checks")]
        self.checker().close_loan(ticket);
        match used {
            Ok(result) => {
                self.reset_and(object, keep);
                result
            }
            Err(panic) => {
                self.put_while_panicking(object);
                resume_unwind(panic)
            }
        }
    }

    /// Does that with what is lent, which is taken out if it panics.
    #[inline(always)]
    fn guarded<'a, R, const STAGE: u8>(
        &'a self,
        lent: Lent<'a>,
        act: impl FnOnce() -> R,
    ) -> (Lent<'a>, R) {
        let used = Used::<T, P, STAGE> {
            pool: self,
            lent: ManuallyDrop::new(lent),
        };
        let result = act();
        let mut used = ManuallyDrop::new(used);
        // SAFETY: moved out of what is not dropped and not used again.
        (unsafe { ManuallyDrop::take(&mut used.lent) }, result)
    }

    #[cold]
    #[inline(never)]
    fn take_from_panic<const STAGE: u8>(&self, lent: Lent<'_>) {
        // SAFETY: what is in a slot of this pool was made from a `Box<T>`.
        let object = unsafe { lent.take().into_box() };
        if STAGE == IN_USE {
            self.put_while_panicking(object);
        } else {
            self.drop_panicked(object);
        }
    }
}

/// When a panic came.
const IN_USE: u8 = 0;
const IN_RESET: u8 = 1;

/// What only a panic drops. As little as there can be of it, so that the compiler has it
/// in registers.
struct Used<'a, T, P: TryPolicy<T>, const STAGE: u8> {
    pool: &'a Pool<T, P>,
    lent: ManuallyDrop<Lent<'a>>,
}

impl<T, P: TryPolicy<T>, const STAGE: u8> Drop for Used<'_, T, P, STAGE> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: nothing uses this after its drop.
        let lent = unsafe { ManuallyDrop::take(&mut self.lent) };
        self.pool.take_from_panic::<STAGE>(lent);
    }
}
