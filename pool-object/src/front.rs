//! One thread's slot of a pool in a `static`.

use crate::{Pool, object::Idle, slot::Slot, sync::const_unless_loom};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use std::arch::asm;
use std::{cell::Cell, marker::PhantomData, ptr::NonNull};

/// Whether thread locals without a destructor lie in the thread's own memory until after
/// all destructors, on the systems known for that. Elsewhere they may be boxes, which are
/// freed in any order: there no front is opened, nor looked at.
pub(crate) const LOCALS_STAY: bool = cfg!(any(
    all(
        target_os = "linux",
        any(target_env = "gnu", target_env = "musl")
    ),
    all(target_os = "windows", target_env = "msvc"),
    target_os = "freebsd",
    target_vendor = "apple",
));

/// So many uses that miss a front which was refused pass before it is asked for again.
const OFTEN: usize = 1024;

/// One thread's slot of a static pool. Closed until a cache of the thread takes it in
/// charge, and from when that is given back.
///
/// It belongs to one cache in its life, whoever asks, and holds what was made from a
/// `Box<T>`. It stays in its place and is made without running code, as `static_pool!`
/// makes it: nobody else is to.
pub struct Front<T> {
    slot: Slot,
    taken: Cell<bool>,
    /// Uses that found it not taken.
    missed: Cell<usize>,
    /// As in [`Pool`].
    objects: PhantomData<Cell<T>>,
}

impl<T> Front<T> {
    const_unless_loom! {
        /// One that is closed.
        #[must_use]
        #[allow(clippy::new_without_default)]
        pub fn new() -> Self {
            Self {
                slot: Slot::new_closed(),
                taken: Cell::new(false),
                missed: Cell::new(0),
                objects: PhantomData,
            }
        }
    }

    /// The slot, at a place that the compiler does not know to be a thread local. It would
    /// have every access be relative to the thread pointer, and what is stored that way, some
    /// processors (Intel's since Golden Cove) forward to the next load in five cycles, and in
    /// none if a register has the address.
    #[inline(always)]
    pub(crate) fn slot(&self) -> &Slot {
        let slot = by_register(&raw const self.slot);
        // SAFETY: the slot of `self`, which is borrowed.
        unsafe { &*slot }
    }

    /// Puts an object in, or gives it back if one is there or it is too heavy.
    #[inline(always)]
    pub(crate) fn put(&self, idle: Idle) -> Result<(), Idle> {
        let weight = idle.weight;
        if weight > 1 {
            return Err(idle);
        }
        let refused = self.slot().put(idle.object);
        refused.map_err(|object| Idle { object, weight })
    }

    /// Has this thread's cache of a pool take the front in charge, if none did yet and
    /// it was not refused lately.
    #[cold]
    pub(crate) fn open<P>(&self, pool: &'static Pool<T, P>) {
        if LOCALS_STAY && self.may_be_opened() {
            // SAFETY: a front is a thread local without a destructor, so it is good until
            // the thread has given its caches back, which happens in the destructor of
            // another; and it was not taken yet.
            let opened = unsafe { pool.open_front(NonNull::from(&self.slot)) };
            self.taken.set(opened);
        }
    }

    /// Counts a use that missed the front. The first asks for it to be opened, and one in
    /// [`OFTEN`] again.
    fn may_be_opened(&self) -> bool {
        if self.taken.get() {
            return false;
        }
        let missed = self.missed.replace(self.missed.get().wrapping_add(1));
        missed.is_multiple_of(OFTEN)
    }
}

/// The same place, through a register.
#[inline(always)]
#[cfg_attr(any(not(target_arch = "x86_64"), miri), allow(unused_mut))]
#[allow(clippy::pointers_in_nomem_asm_block)] // Nobody follows it in there.
fn by_register(mut place: *const Slot) -> *const Slot {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {} */", inout(reg) place, options(pure, nomem, nostack, preserves_flags));
    }
    place
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use super::*;

    #[test]
    fn a_front_that_was_refused_is_asked_for_once_a_round() {
        static POOL: Pool<u8> = Pool::from_fn(|| 0).max_idle(0);
        thread_local! { static FRONT: Front<u8> = const { Front::new() }; }
        FRONT.with(|front| {
            front.open(&POOL);
            assert!(!front.taken.get(), "no place to spare");
            POOL.set_max_idle(100);
            for _ in 1..OFTEN {
                front.open(&POOL);
                assert!(!front.taken.get(), "refused not long ago");
            }
            front.open(&POOL);
            assert_eq!(front.taken.get(), LOCALS_STAY);
        });
    }
}
