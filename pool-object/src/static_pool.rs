//! A pool in a `static` with a slot in each thread's own memory.

use crate::{
    Loan, Policy, Pool, TryPolicy,
    front::{Front, LOCALS_STAY},
    loan::{Home, sealed},
    object::{Idle, Object},
    slot::Slot,
    sync::LocalKey,
};
use std::{convert::Infallible, ptr::NonNull};

/// The fastest pool: in a `static`, with each thread's slot at a fixed place of the
/// thread's own memory, which saves looking it up. Implemented by
/// [`static_pool!`](crate::static_pool), and by nothing else.
///
/// ```
/// use pool_object::{Loan, Pool, Policy, StaticPool, static_pool};
///
/// static_pool! { static WORDS: Pool<String> = Pool::from_fn(String::new); }
///
/// /// How well any of the program's static pools does.
/// fn report<S: StaticPool>(_: S) -> f64 {
///     S::pool().stats().hit_rate()
/// }
/// (0..4).for_each(|_| drop(WORDS.get()));
/// assert_eq!(report(WORDS), 0.75);
/// ```
pub trait StaticPool: Copy + 'static {
    /// What the pool hands out.
    type Object: 'static;
    /// How it makes, resets and judges them.
    type Policy: TryPolicy<Self::Object> + 'static;

    /// The pool itself.
    fn pool() -> &'static Pool<Self::Object, Self::Policy>;

    #[doc(hidden)]
    fn front() -> &'static LocalKey<Front<Self::Object>>;
}

/// Defines pools in `static`s whose hit path knows at compile time where the thread's
/// slot is.
///
/// Each is a type of one value, both of the given name. The value dereferences to the
/// [`Pool`], and has a faster `get` and `get_or_error` of its own, whose guard is a
/// [`Loan`] of that type.
///
/// The slot is opened by a thread's first use, if the bound on idle objects has a place
/// to spare for it; else it is asked again now and then. On systems where thread locals
/// are not laid out by the compiler it stays closed, and the pool is as any other.
///
/// A thread may use it to its end, in destructors of thread locals too. Only its *first* use
/// of pools must not be in what the C library runs after those (a destructor given to
/// `pthread_key_create`): the end of the thread has passed by then. Nor may pools be used in
/// a process that was forked from one with several threads, unless it calls `exec`: the
/// slots of the threads that are not there any more are.
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

        // Names that a caller's types may have too would hide those in here.
        const _: () = {
            impl $crate::StaticPool for $name {
                type Object = <$pool as $crate::__private::PoolOf>::Object;
                type Policy = <$pool as $crate::__private::PoolOf>::Policy;

                #[inline(always)]
                fn pool() -> &'static $pool {
                    static __POOL: $pool = $init;
                    &__POOL
                }

                #[inline(always)]
                fn front() -> &'static ::std::thread::LocalKey<
                    $crate::__private::Front<<$pool as $crate::__private::PoolOf>::Object>,
                > {
                    ::std::thread_local! {
                        static __FRONT: $crate::__private::Front<
                            <$pool as $crate::__private::PoolOf>::Object,
                        > = const { $crate::__private::Front::new() };
                    }
                    &__FRONT
                }
            }

            // By a parameter each, so that what a policy has not is missed by a call alone.
            impl $name {
                /// An object that is idle, or a new one; see
                /// [`Pool::get`]($crate::Pool::get).
                #[inline(always)]
                #[track_caller]
                pub fn get<__P>(self) -> $crate::Loan<Self>
                where
                    Self: $crate::StaticPool<Policy = __P>,
                    __P: $crate::Policy<<Self as $crate::StaticPool>::Object>,
                {
                    $crate::__private::get(self)
                }

                /// Lends an object that is idle, or a new one, to `use_it`: the fastest
                /// way; see [`Pool::with`]($crate::Pool::with).
                #[inline(always)]
                #[track_caller]
                pub fn with<__P, __R>(
                    self,
                    use_it: impl ::core::ops::FnOnce(
                        &mut <Self as $crate::StaticPool>::Object,
                    ) -> __R,
                ) -> __R
                where
                    Self: $crate::StaticPool<Policy = __P>,
                    __P: $crate::Policy<<Self as $crate::StaticPool>::Object>,
                {
                    $crate::__private::with(self, use_it)
                }

                /// An object that is idle, or what the policy makes, which may fail; see
                /// [`Pool::get_or_error`]($crate::Pool::get_or_error).
                #[inline(always)]
                #[track_caller]
                pub fn get_or_error<__P>(
                    self,
                ) -> ::core::result::Result<$crate::Loan<Self>, __P::Error>
                where
                    Self: $crate::StaticPool<Policy = __P>,
                    __P: $crate::TryPolicy<<Self as $crate::StaticPool>::Object>,
                {
                    $crate::__private::get_or_error(self)
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

/// The `get` of a static pool.
#[inline(always)]
#[cfg_attr(feature = "checks", track_caller)]
pub fn get<S: StaticPool<Policy: Policy<S::Object>>>(pool: S) -> Loan<S> {
    Loan::new(pool, take::<S>())
}

#[inline(always)]
fn take<S: StaticPool<Policy: Policy<S::Object>>>() -> Box<S::Object> {
    match from_front::<S>(Slot::take_often) {
        // SAFETY: what is in a `Front<T>` was made from a `Box<T>`, see `take_back`.
        Some(object) => unsafe { object.into_box() },
        None => take_past_the_front::<S, _>(|| Ok::<_, Infallible>(S::pool().take()))
            .unwrap_or_else(|never| match never {}),
    }
}

/// The `with` of a static pool.
#[inline(always)]
#[cfg_attr(feature = "checks", track_caller)]
pub fn with<S: StaticPool<Policy: Policy<S::Object>>, R>(
    _: S,
    use_it: impl FnOnce(&mut S::Object) -> R,
) -> R {
    if LOCALS_STAY && S::pool().lends_in_place() {
        let slot = S::front().with(|front| NonNull::from(front.slot()));
        // SAFETY: a front is in this thread's own memory, without a destructor, and so
        // good until the last of the thread's code has run.
        if let Some(lent) = unsafe { slot.as_ref() }.lend_often() {
            return S::pool().use_lent(lent, |weight| weight <= 1, put::<S>, use_it);
        }
    }
    use_out_of_place::<S, R>(use_it)
}

#[cold]
#[inline(never)]
#[cfg_attr(feature = "checks", track_caller)]
fn use_out_of_place<S: StaticPool<Policy: Policy<S::Object>>, R>(
    use_it: impl FnOnce(&mut S::Object) -> R,
) -> R {
    S::pool().use_taken(take::<S>(), put::<S>, use_it)
}

/// The `get_or_error` of a static pool.
///
/// # Errors
/// What the policy's `try_create` returned.
#[inline(always)]
#[cfg_attr(feature = "checks", track_caller)]
pub fn get_or_error<S: StaticPool>(
    pool: S,
) -> Result<Loan<S>, <S::Policy as TryPolicy<S::Object>>::Error> {
    let object = match from_front::<S>(Slot::take_often) {
        // SAFETY: as in `get`.
        Some(object) => unsafe { object.into_box() },
        None => take_past_the_front::<S, _>(|| S::pool().take_or_error())?,
    };
    Ok(Loan::new(pool, object))
}

/// What is in the front, taken out of it that way.
#[inline(always)]
fn from_front<S: StaticPool>(take: impl FnOnce(&Slot) -> Option<Object>) -> Option<Object> {
    if LOCALS_STAY {
        S::front().with(|front| take(front.slot()))
    } else {
        None
    }
}

fn front_is_full<S: StaticPool>() -> bool {
    LOCALS_STAY && S::front().with(|front| front.slot().is_full())
}

#[inline(never)]
fn take_past_the_front<S: StaticPool, E>(
    take: impl FnOnce() -> Result<Box<S::Object>, E>,
) -> Result<Box<S::Object>, E> {
    if front_is_full::<S>() {
        // Before there is an object in hand, as in `Depot::take`.
        S::pool().look_at_the_time();
        if let Some(object) = from_front::<S>(Slot::take) {
            // SAFETY: as in `get`.
            return Ok(unsafe { object.into_box() });
        }
    }
    let object = take()?;
    open_front::<S>();
    Ok(object)
}

#[inline(always)]
fn put<S: StaticPool>(idle: Idle) {
    let refused = if LOCALS_STAY {
        S::front().with(|front| front.put(idle))
    } else {
        Err(idle)
    };
    if let Err(idle) = refused {
        put_past_the_front::<S>(idle);
    }
}

#[inline(never)]
fn put_past_the_front<S: StaticPool>(idle: Idle) {
    open_front::<S>();
    S::pool().put_past_the_slot(idle);
}

fn open_front<S: StaticPool>() {
    if LOCALS_STAY {
        S::front().with(|front| front.open(S::pool()));
    }
}

impl<S: StaticPool> sealed::Sealed for S {}
impl<S: StaticPool> Home for S {
    type Object = S::Object;

    #[inline(always)]
    fn take_back(&self, object: Box<S::Object>) {
        S::pool().put_after_use_to(object, put::<S>);
    }

    #[cfg(feature = "checks")]
    fn checker(&self) -> &crate::checks::Checker {
        S::pool().checker()
    }
}
