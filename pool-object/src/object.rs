//! An idle object with its type erased.

use std::ptr::{self, NonNull};

/// One idle object: the pointer of a leaked `Box<T>`, of the `T` of the pool
/// that it is in.
///
/// Everything below the typed surface of the crate moves these words and never
/// looks behind them, so it is compiled once and holds no code of a caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Object(NonNull<()>);

// SAFETY: an `Object` is only a pointer here. It becomes a `Box<T>` again in
// `Pool<T, P>` alone, and a pool is shared with, or moved to, another thread only
// if `T: Send` (see the `Send` and `Sync` of `Pool`).
unsafe impl Send for Object {}

/// Stands for an object of no size.
const NO_SIZE: NonNull<()> = NonNull::new(ptr::without_provenance_mut(2)).unwrap();

impl Object {
    /// Never of address 1, which stands for something else in a slot: no allocation is
    /// there, and what has no size, and hence no allocation, gets an address of its own.
    #[inline(always)]
    pub fn from_box<T>(object: Box<T>) -> Self {
        let object = NonNull::from(Box::leak(object)).cast();
        Self::from_ptr(if size_of::<T>() == 0 { NO_SIZE } else { object })
    }

    /// Has the processor fetch the start of the object, which another thread wrote last.
    #[inline(always)]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint that reads nothing and faults at no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.0.as_ptr().cast()) };
        }
    }

    #[inline(always)]
    pub const fn from_ptr(ptr: NonNull<()>) -> Self {
        Self(ptr)
    }

    #[inline(always)]
    pub const fn into_ptr(self) -> NonNull<()> {
        self.0
    }

    /// Where it is, if it was made by [`from_box`](Self::from_box) with the same `T`.
    #[inline(always)]
    pub const fn place<T>(&self) -> NonNull<T> {
        if size_of::<T>() == 0 {
            NonNull::dangling()
        } else {
            self.0.cast()
        }
    }

    /// # Safety
    /// This object was made by [`from_box`](Self::from_box) with the same `T`.
    #[inline(always)]
    pub unsafe fn into_box<T>(self) -> Box<T> {
        // SAFETY: made from a `Box<T>` (the caller's promise), and `self`, which
        // cannot be copied, is its only owner. Any aligned pointer is a box of no size.
        unsafe { Box::from_raw(self.place::<T>().as_ptr()) }
    }
}

/// An idle object, with the places that it takes up.
#[derive(Debug)]
pub struct Idle {
    pub object: Object,
    /// What the policy said it weighs; 1 unless it says something.
    pub weight: usize,
}
