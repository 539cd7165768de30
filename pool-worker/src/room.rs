//! Room for a value of any type: a small one lies in it, so that it takes no
//! allocation; a larger one is boxed. What type it is, the owner has to know.

use std::mem::{MaybeUninit, align_of, size_of};

/// Words that a value may have to need no box. With its kind, the stamp, the span
/// and the state of its slot, a job fills a line of cache.
const WORDS: usize = 4;

/// Holds one value, or what is left of it; drops nothing by itself.
pub(crate) struct Room(MaybeUninit<[usize; WORDS]>);

impl Room {
    const fn fits<T>() -> bool {
        size_of::<T>() <= size_of::<Self>() && align_of::<T>() <= align_of::<Self>()
    }

    #[inline]
    pub(crate) fn of<T>(value: T) -> Self {
        let mut room = Self(MaybeUninit::uninit());
        if Self::fits::<T>() {
            // SAFETY: the room is large and aligned enough for a `T`.
            unsafe { room.0.as_mut_ptr().cast::<T>().write(value) };
        } else {
            // SAFETY: any room is large and aligned enough for a box.
            unsafe { room.0.as_mut_ptr().cast::<Box<T>>().write(Box::new(value)) };
        }
        room
    }

    /// Where the value lies: for as long as the room stays where it is.
    ///
    /// # Safety
    /// The room was made of a `T`, which was not taken.
    #[inline]
    #[cfg(feature = "tokio")]
    pub(crate) unsafe fn get<T>(&mut self) -> &mut T {
        if Self::fits::<T>() {
            // SAFETY: it lies here, aligned; the borrow is that of the room.
            unsafe { &mut *self.0.as_mut_ptr().cast::<T>() }
        } else {
            // SAFETY: its box lies here; the borrow is that of the room.
            unsafe { &mut *self.0.as_mut_ptr().cast::<Box<T>>() }
        }
    }

    /// Moves the value out.
    ///
    /// # Safety
    /// The room was made of a `T`, which was not taken before.
    #[inline]
    pub(crate) unsafe fn take<T>(&mut self) -> T {
        if Self::fits::<T>() {
            // SAFETY: it lies here, aligned, and is moved out once.
            unsafe { self.0.as_mut_ptr().cast::<T>().read() }
        } else {
            // SAFETY: its box lies here and is moved out once.
            *unsafe { self.0.as_mut_ptr().cast::<Box<T>>().read() }
        }
    }

    /// Drops the value where it lies.
    ///
    /// # Safety
    /// As [`take`](Self::take).
    #[inline]
    pub(crate) unsafe fn clear<T>(&mut self) {
        if Self::fits::<T>() {
            // SAFETY: it lies here, aligned, and is dropped once.
            unsafe { self.0.as_mut_ptr().cast::<T>().drop_in_place() };
        } else {
            // SAFETY: its box lies here and is dropped once.
            unsafe { self.0.as_mut_ptr().cast::<Box<T>>().drop_in_place() };
        }
    }
}
