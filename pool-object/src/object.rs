//! An idle object with its type erased.

use std::ptr::NonNull;

/// One idle object: the pointer of a leaked `Box<T>`, of the `T` of the pool
/// that it is in.
///
/// Everything below the typed surface of the crate moves these words and never
/// looks behind them, so it is compiled once and holds no code of a caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object(NonNull<()>);

// SAFETY: an `Object` is only a pointer here. It becomes a `Box<T>` again in
// `Pool<T, P>` alone, and a pool is shared with, or moved to, another thread only
// if `T: Send` (see the `Send` and `Sync` of `Pool`).
unsafe impl Send for Object {}

impl Object {
    #[inline(always)]
    pub(crate) fn from_box<T>(object: Box<T>) -> Self {
        Self::from_ptr(NonNull::from(Box::leak(object)).cast())
    }

    #[inline(always)]
    pub(crate) const fn from_ptr(ptr: NonNull<()>) -> Self {
        Self(ptr)
    }

    #[inline(always)]
    pub(crate) const fn into_ptr(self) -> NonNull<()> {
        self.0
    }

    /// # Safety
    /// This object was made by [`from_box`](Self::from_box) with the same `T`.
    #[inline(always)]
    pub(crate) unsafe fn into_box<T>(self) -> Box<T> {
        // SAFETY: made from a `Box<T>` (the caller's promise), and `self`, which
        // cannot be copied, is its only owner.
        unsafe { Box::from_raw(self.0.cast().as_ptr()) }
    }
}
