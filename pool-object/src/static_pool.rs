//! A pool in a `static` with a slot in each thread's own memory.

use crate::{
    Loan, Policy, Pool,
    loan::{Home, sealed},
    object::Idle,
    slot::Slot,
};
use std::{cell::Cell, marker::PhantomData, ptr::NonNull, thread::LocalKey};

/// The fastest pool: in a `static`, with each thread's slot at a fixed place of the
/// thread's own memory, which saves looking it up. Implemented by
/// [`static_pool!`](crate::static_pool).
pub trait StaticPool: Copy + 'static {
    /// What the pool hands out.
    type Object: 'static;
    /// How it makes, resets and judges them.
    type Policy: Policy<Self::Object> + 'static;

    /// The pool itself.
    fn pool() -> &'static Pool<Self::Object, Self::Policy>;

    #[doc(hidden)]
    fn front() -> &'static LocalKey<Front<Self::Object>>;
}

/// Defines pools in `static`s whose hit path knows at compile time where the thread's
/// slot is.
///
/// Each is a type of one value, both of the given name. The value dereferences to the
/// [`Pool`], and has a faster `get` of its own, whose guard is a [`Loan`] of that type.
///
/// ```
/// use pool_object::{Loan, Pool, static_pool};
///
/// static_pool! {
///     /// Lines being put together.
///     static LINES: Pool<String> = Pool::from_fn(|| String::with_capacity(256)).max_idle(64);
///     pub(crate) static NUMBERS: Pool<Vec<u32>> = Pool::from_fn(Vec::new);
/// }
///
/// let line: Loan<LINES> = LINES.get();
/// drop(line);
/// NUMBERS.get().push(1);
/// assert_eq!(LINES.stats().misses, 1);
/// ```
#[macro_export]
macro_rules! static_pool {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $pool:ty = $init:expr;)+) => {$(
        $(#[$attr])*
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        const _: () = {
            type Object = <$pool as $crate::__private::PoolOf>::Object;
            type Policy = <$pool as $crate::__private::PoolOf>::Policy;

            impl $crate::StaticPool for $name {
                type Object = Object;
                type Policy = Policy;

                #[inline(always)]
                fn pool() -> &'static $pool {
                    static POOL: $pool = $init;
                    &POOL
                }

                #[inline(always)]
                fn front() -> &'static ::std::thread::LocalKey<$crate::__private::Front<Object>> {
                    ::std::thread_local! {
                        static FRONT: $crate::__private::Front<Object> =
                            const { $crate::__private::Front::new() };
                    }
                    &FRONT
                }
            }

            impl $name {
                /// An object that is idle, or a new one; see
                /// [`Pool::get`]($crate::Pool::get).
                #[inline(always)]
                #[track_caller]
                pub fn get(self) -> $crate::Loan<Self> {
                    $crate::__private::get(self)
                }
            }

            impl ::std::ops::Deref for $name {
                type Target = $pool;

                fn deref(&self) -> &$pool {
                    <Self as $crate::StaticPool>::pool()
                }
            }
        };
    )+};
}

/// Names the types of a pool.
pub trait PoolOf {
    /// What it hands out.
    type Object;
    /// How it makes, resets and judges them.
    type Policy;
}

impl<T, P> PoolOf for Pool<T, P> {
    type Object = T;
    type Policy = P;
}

/// One thread's slot of a static pool. Closed until a cache of the thread takes it in
/// charge, and from when that is given back.
///
/// It belongs to one cache in its life, whoever asks, and holds what was made from a
/// `Box<T>`; so `StaticPool` is safe to implement without the macro.
pub struct Front<T> {
    slot: Slot,
    taken: Cell<bool>,
    /// As in [`Pool`].
    objects: PhantomData<Cell<T>>,
}

impl<T> Front<T> {
    /// One that is closed.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            slot: Slot::new_closed(),
            taken: Cell::new(false),
            objects: PhantomData,
        }
    }

    /// Puts an object in, or gives it back if one is there or it is too heavy.
    #[inline(always)]
    fn put(&self, idle: Idle) -> Result<(), Idle> {
        let weight = idle.weight;
        if weight > 1 {
            return Err(idle);
        }
        let refused = self.slot.put(idle.object);
        refused.map_err(|object| Idle { object, weight })
    }

    /// Has this thread's cache of a pool take the front in charge, if none did yet.
    #[cold]
    fn open<P>(&self, pool: &'static Pool<T, P>) {
        if !self.taken.get() {
            // SAFETY: a front is a thread local without a destructor, so it is good until
            // the thread has given its caches back, which happens in the destructor of
            // another; and it was not taken yet.
            let opened = unsafe { pool.open_front(NonNull::from(&self.slot)) };
            self.taken.set(opened);
        }
    }
}

/// The `get` of a static pool.
#[inline(always)]
#[cfg_attr(feature = "checks", track_caller)]
pub fn get<S: StaticPool>(pool: S) -> Loan<S> {
    let object = match S::front().with(|front| front.slot.take_often()) {
        // SAFETY: what is in a `Front<T>` was made from a `Box<T>`, see `take_back`.
        Some(object) => unsafe { object.into_box() },
        None => take_past_the_front::<S>(),
    };
    Loan::new(pool, object)
}

#[inline(never)]
fn take_past_the_front<S: StaticPool>() -> Box<S::Object> {
    if let Some(object) = S::front().with(|front| front.slot.take()) {
        S::pool().look_at_the_time();
        // SAFETY: as in `get`.
        return unsafe { object.into_box() };
    }
    let object = S::pool().take();
    S::front().with(|front| front.open(S::pool()));
    object
}

#[inline(never)]
fn put_past_the_front<S: StaticPool>(idle: Idle) {
    S::front().with(|front| front.open(S::pool()));
    S::pool().put_past_the_slot(idle);
}

impl<S: StaticPool> sealed::Sealed for S {}
impl<S: StaticPool> Home for S {
    type Object = S::Object;

    #[inline(always)]
    fn take_back(&self, object: Box<S::Object>) {
        S::pool().put_after_use_to(object, |idle| {
            if let Err(idle) = S::front().with(|front| front.put(idle)) {
                put_past_the_front::<S>(idle);
            }
        });
    }

    #[cfg(feature = "checks")]
    fn checker(&self) -> &crate::checks::Checker {
        S::pool().checker()
    }
}
