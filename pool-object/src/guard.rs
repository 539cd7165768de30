//! An object on loan, for as long as the pool is borrowed.

use crate::{Policy, Pool};
use std::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// An object of a [`Pool`], which goes back when the guard is dropped.
///
/// The guard may be sent to another thread, or held across an `await`; the object
/// goes back wherever the guard is dropped. If that happens because of a panic, the
/// object is dropped instead, as it may be half changed.
///
/// A guard that is forgotten leaks its object and nothing else.
#[must_use = "dropped at once, the object goes straight back"]
pub struct Guard<'a, T, P: Policy<T> = fn() -> T> {
    pool: &'a Pool<T, P>,
    object: ManuallyDrop<Box<T>>,
}

impl<'a, T, P: Policy<T>> Guard<'a, T, P> {
    #[inline(always)]
    pub(crate) fn new(pool: &'a Pool<T, P>, object: Box<T>) -> Self {
        Self {
            pool,
            object: ManuallyDrop::new(object),
        }
    }

    /// Takes the object out of the guard; it does not go back unless it is
    /// [`put`](Pool::put).
    ///
    /// An associated function, so as not to hide a method of the object.
    pub fn detach(guard: Self) -> Box<T> {
        let mut guard = ManuallyDrop::new(guard);
        // SAFETY: the guard's own drop, which would take it too, does not run.
        unsafe { ManuallyDrop::take(&mut guard.object) }
    }

    /// The pool that the object goes back to.
    #[must_use]
    pub fn pool(guard: &Self) -> &'a Pool<T, P> {
        guard.pool
    }
}

impl<T, P: Policy<T>> Drop for Guard<'_, T, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: nothing uses the guard after its drop, and `detach` avoids it.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        self.pool.put_after_use(object);
    }
}

impl<T, P: Policy<T>> Deref for Guard<'_, T, P> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T, P: Policy<T>> DerefMut for Guard<'_, T, P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

impl<T, P: Policy<T>> AsRef<T> for Guard<'_, T, P> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T, P: Policy<T>> AsMut<T> for Guard<'_, T, P> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: fmt::Debug, P: Policy<T>> fmt::Debug for Guard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display, P: Policy<T>> fmt::Display for Guard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
