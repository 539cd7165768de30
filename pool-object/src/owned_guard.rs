//! An object on loan that keeps its pool alive.

use crate::{Policy, Pool};
use std::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// An object of a [`Pool`] behind an `Arc`, which goes back when the guard is
/// dropped, and keeps the pool alive until then.
///
/// It is `'static` if the pool is, so it can go where a [`Guard`](crate::Guard)
/// cannot: into a spawned task, or a struct beside the pool. The price is the
/// counting of the `Arc`, which all threads share.
#[must_use = "dropped at once, the object goes straight back"]
pub struct OwnedGuard<T, P: Policy<T> = fn() -> T> {
    pool: Arc<Pool<T, P>>,
    object: ManuallyDrop<Box<T>>,
}

impl<T, P: Policy<T>> OwnedGuard<T, P> {
    #[inline]
    pub(crate) fn new(pool: Arc<Pool<T, P>>, object: Box<T>) -> Self {
        Self {
            pool,
            object: ManuallyDrop::new(object),
        }
    }

    /// Takes the object out of the guard; it does not go back unless it is
    /// [`put`](Pool::put).
    pub fn detach(mut guard: Self) -> Box<T> {
        // SAFETY: `object` is not used again: the guard's drop is replaced by the
        // release of the pool below.
        let object = unsafe { ManuallyDrop::take(&mut guard.object) };
        let guard = ManuallyDrop::new(guard);
        // SAFETY: moved out of a guard that is not dropped and not used again.
        drop(unsafe { std::ptr::read(&raw const guard.pool) });
        object
    }

    /// The pool that the object goes back to.
    #[must_use]
    pub fn pool(guard: &Self) -> &Arc<Pool<T, P>> {
        &guard.pool
    }
}

impl<T, P: Policy<T>> Drop for OwnedGuard<T, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: nothing uses the guard after its drop, and `detach` avoids it.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        self.pool.put_after_use(object);
    }
}

impl<T, P: Policy<T>> Deref for OwnedGuard<T, P> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T, P: Policy<T>> DerefMut for OwnedGuard<T, P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

impl<T, P: Policy<T>> AsRef<T> for OwnedGuard<T, P> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T, P: Policy<T>> AsMut<T> for OwnedGuard<T, P> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: fmt::Debug, P: Policy<T>> fmt::Debug for OwnedGuard<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Display, P: Policy<T>> fmt::Display for OwnedGuard<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
