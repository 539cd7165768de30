//! The pool of objects of one type.

#[cfg(feature = "checks")]
mod checked;
mod give_back;
mod hand_out;
mod in_place;
mod shrink;

use crate::{Policy, Stats, TryPolicy, WithReset, depot::Depot, object::Object};
use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

/// Idle objects a pool keeps at most, unless [`max_idle`](Pool::max_idle) says
/// otherwise.
///
/// ```
/// use pool_object::{DEFAULT_MAX_IDLE, Pool};
/// let pool = Pool::new(|| 7);
/// assert_eq!(pool.prewarm(DEFAULT_MAX_IDLE + 1), DEFAULT_MAX_IDLE);
/// ```
pub const DEFAULT_MAX_IDLE: usize = 1024;

/// A pool of objects of one type: hands out one that is idle, or makes one.
///
/// It may live in a `static`, on the stack, or behind an `Arc`; there may be as
/// many as you like, also of one type, and `T` may borrow. No call blocks longer
/// than for another thread to move a few dozen pointers, and none waits for an
/// object to come back: when none is idle, one is made.
///
/// It answers to Go's `sync.Pool`, with a type, a bound and figures.
///
/// It is for objects that live long and carry nothing from one use to the next, and that
/// cost something to make: see the [crate](crate) for when not to use one.
///
/// Objects may borrow, for as long as the pool's type says and no shorter:
///
/// ```
/// # use pool_object::Pool;
/// let pool: Pool<&'static str> = Pool::from_fn(|| "made");
/// let same: &Pool<&'static str> = &pool;
/// same.put("kept");
/// assert_eq!(*pool.get(), "kept");
/// ```
/// ```compile_fail,E0597
/// # use pool_object::Pool;
/// let pool: Pool<&'static str> = Pool::from_fn(|| "made");
/// {
///     let gone = String::from("gone");
///     let shorter: &Pool<&str> = &pool;
///     shorter.put(gone.as_str());
/// }
/// assert_eq!(*pool.get(), "gone");
/// ```
///
/// and they outlive the pool, which drops what is idle as it goes:
///
/// ```compile_fail,E0597
/// # use pool_object::Pool;
/// let pool: Pool<&str> = Pool::from_fn(|| "made");
/// let shorter = String::from("gone before the pool");
/// pool.put(shorter.as_str());
/// ```
pub struct Pool<T, P = fn() -> T> {
    depot: Depot,
    keep_after_panic: bool,
    #[cfg(feature = "checks")]
    checker: crate::checks::Checker,
    policy: P,
    /// Objects go in as well as out, so a pool of `&'static str` is no pool of shorter
    /// ones: invariant.
    objects: PhantomData<Cell<T>>,
}

// SAFETY: a shared pool lets its threads take each other's objects, which is to send
// them, hence `T: Send`; it never lets two threads at one object, so `T: Sync` is not
// needed. The policy is called from all threads through a shared reference. The depot
// synchronises itself. (`Send` follows by itself: `T: Send` and `P: Send`.)
unsafe impl<T: Send, P: Sync> Sync for Pool<T, P> {}

// Callers' code runs only while the pool is consistent, so a panic in it cannot show
// a broken one.
impl<T, P: UnwindSafe> UnwindSafe for Pool<T, P> {}
impl<T, P: RefUnwindSafe> RefUnwindSafe for Pool<T, P> {}

/// Drops objects of a pool of `T`.
///
/// # Safety
/// The objects were made from a `Box<T>`.
unsafe fn discard<T>(objects: Vec<Object>) {
    let objects: Vec<Box<T>> = objects
        .into_iter()
        // SAFETY: made from a `Box<T>`, says the caller.
        .map(|object| unsafe { object.into_box() })
        .collect();
    drop(objects);
}

impl<T, P> Pool<T, P> {
    /// A pool that makes and resets its objects by `policy`; a function or closure
    /// that returns a `T` is one.
    ///
    /// Nothing is allocated before the first use.
    ///
    /// ```
    /// use pool_object::Pool;
    /// static NAMES: Pool<String> = Pool::new(String::new);
    /// let words = Pool::new(|| Vec::<u32>::with_capacity(16));
    /// assert_eq!((NAMES.get().len(), words.get().len()), (0, 0));
    /// ```
    pub const fn new(policy: P) -> Self {
        Self {
            // SAFETY: objects are put in by this module alone, made from a `Box<T>`;
            // the pool is used on threads that may drop a `T` (see `Sync`).
            depot: unsafe { Depot::new(DEFAULT_MAX_IDLE, discard::<T>) },
            keep_after_panic: false,
            #[cfg(feature = "checks")]
            checker: crate::checks::Checker::new(crate::Checks::none()),
            policy,
            objects: PhantomData,
        }
    }

    /// Bounds the idle objects, over all threads together: at no time are there
    /// more. What comes back beyond that is dropped. The default is
    /// [`DEFAULT_MAX_IDLE`]; 0 keeps nothing.
    ///
    /// If the policy [weighs](Policy::weigh) its objects, it is their weights that are
    /// bounded, bytes for instance. Where objects are dropped for lack of places, a pool
    /// trims itself now and then, see [`trim_when_full`](Self::trim_when_full).
    ///
    /// A thread holds places for its cache in advance (one, and up to 32 more as it
    /// needs them), so with many threads somewhat less than the bound may be kept;
    /// a quarter of it is never held in advance. Below 3, no thread has a cache and
    /// every call goes through a lock.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new).max_idle(2);
    /// drop([pool.get(), pool.get(), pool.get()]);
    /// assert_eq!((pool.stats().idle, pool.stats().dropped.full), (2, 1));
    /// ```
    ///
    /// # Panics
    /// If the pool was used already: for that there is
    /// [`set_max_idle`](Self::set_max_idle).
    #[must_use]
    pub const fn max_idle(mut self, objects: usize) -> Self {
        self.depot.init_max_idle(objects);
        self
    }

    /// Whether an object that was out while its user panicked is kept all the same,
    /// after its reset. By default it is dropped. A reset that panics too ends the process,
    /// as any second panic does.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new).keep_after_panic(true);
    /// let user = std::panic::catch_unwind(|| {
    ///     let _name = pool.get();
    ///     panic!("in use");
    /// });
    /// assert_eq!((user.is_err(), pool.stats().idle), (true, 1));
    /// ```
    #[must_use]
    pub const fn keep_after_panic(mut self, keep: bool) -> Self {
        self.keep_after_panic = keep;
        self
    }

    /// Has the pool [`trim`](Self::trim) itself when `period` has passed, so that what was
    /// not used for one to two periods is dropped.
    ///
    /// There is no thread for it: those that use the pool look at the time, when they
    /// find nothing in their cache and once in 128 hits. So where a thread seldom uses it,
    /// what is unused stays until then; a pool that nobody uses is not trimmed. A trim by
    /// hand starts the period anew.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// use std::time::Duration;
    /// static PAGES: Pool<Vec<u8>> = Pool::from_fn(Vec::new)
    ///     .trim_every(Duration::from_secs(60))
    ///     .trim_when_full(Duration::from_secs(5));
    /// # PAGES.get();
    /// ```
    #[must_use]
    pub const fn trim_every(mut self, period: Duration) -> Self {
        self.depot.init_trim_period(period);
        self
    }

    /// Has the pool [`trim`](Self::trim) itself where objects are dropped for lack of
    /// places, so that what threads keep and do not use makes way; but not sooner than
    /// `period` after the trim before. A second, unless said otherwise;
    /// [`Duration::MAX`] for never.
    ///
    /// One in 64 objects dropped so looks at the time.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// use std::time::Duration;
    /// // Whatever is idle stays, even where others have no place.
    /// static TABLES: Pool<Vec<u64>> = Pool::from_fn(Vec::new)
    ///     .max_idle(16)
    ///     .trim_when_full(Duration::MAX);
    /// # TABLES.get();
    /// ```
    #[must_use]
    pub const fn trim_when_full(mut self, period: Duration) -> Self {
        self.depot.init_pressure_period(period);
        self
    }

    #[cfg(feature = "bytes")]
    pub(crate) fn bound(&self) -> usize {
        self.depot.max_idle()
    }

    /// See [`Depot::excess`].
    #[cfg(feature = "bytes")]
    pub(crate) fn excess(&self) -> usize {
        self.depot.excess()
    }

    #[cfg(feature = "bytes")]
    pub(crate) const fn init_max_idle(&mut self, objects: usize) {
        self.depot.init_max_idle(objects);
    }

    #[cfg(all(feature = "bytes", feature = "checks"))]
    pub(crate) const fn init_checks(&mut self, checks: crate::Checks) {
        self.checker.checks = checks;
    }

    pub(crate) fn look_at_the_time(&self) {
        self.depot.look_at_the_time();
    }

    /// See [`Depot::open_front`].
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn open_front(&self, front: std::ptr::NonNull<crate::slot::Slot>) -> bool {
        // SAFETY: promised by the caller.
        unsafe { self.depot.open_front(front) }
    }

    /// The policy it was made with.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// struct Named(&'static str);
    /// impl pool_object::Policy<String> for Named {
    ///     fn create(&self) -> String {
    ///         self.0.to_string()
    ///     }
    /// }
    /// let pool: Pool<String, _> = Pool::new(Named("Ada"));
    /// assert_eq!((pool.policy().0, &pool.get()[..]), ("Ada", "Ada"));
    /// ```
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// The figures since the pool was made, merged over all threads.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// drop((pool.get(), pool.get()));
    /// drop(pool.get());
    /// let stats = pool.stats();
    /// assert_eq!((stats.misses, stats.hits.thread, stats.idle), (2, 1, 2));
    /// ```
    pub fn stats(&self) -> Stats {
        self.depot.stats()
    }
}

impl<T> Pool<T> {
    /// A pool that makes its objects by a plain function, which its type then need
    /// not name: for a `static` with a bound.
    ///
    /// ```
    /// use pool_object::Pool;
    /// static NAMES: Pool<String> = Pool::from_fn(String::new).max_idle(16);
    /// assert!(NAMES.get().is_empty());
    /// ```
    pub const fn from_fn(create: fn() -> T) -> Self {
        Self::new(create)
    }
}

impl<T, C: Fn() -> T, R: Fn(&mut T) -> bool> Pool<T, WithReset<C, R>> {
    /// A pool of two functions: one that makes an object, one that resets it when it
    /// comes back and says whether to keep it.
    ///
    /// ```
    /// use pool_object::Pool;
    /// let pool = Pool::with_reset(
    ///     || Vec::<u8>::with_capacity(4096),
    ///     |buf| {
    ///         buf.clear();
    ///         buf.capacity() <= 64 * 1024
    ///     },
    /// );
    /// pool.get().extend_from_slice(b"request");
    /// assert!(pool.get().is_empty());
    /// ```
    pub const fn with_reset(create: C, reset: R) -> Self {
        Self::new(WithReset { create, reset })
    }
}

impl<T, P: TryPolicy<T>> Pool<T, P> {
    /// Resets an object and keeps it for the next use, wherever it comes from: Go's
    /// `Put`. It is dropped if the policy refuses it or no place is left.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// pool.put("brought along".to_string());
    /// assert_eq!(*pool.get(), "brought along");
    /// ```
    #[inline]
    pub fn put(&self, object: impl Into<Box<T>>) {
        self.put_back(object.into());
    }
}

/// Dropping a pool drops its idle objects, of every thread's cache too. Here for
/// the borrow checker: the objects are used one last time.
impl<T, P> Drop for Pool<T, P> {
    fn drop(&mut self) {}
}

impl<T: Default> Default for Pool<T> {
    /// A pool of `T::default`.
    fn default() -> Self {
        Self::new(T::default)
    }
}

/// A pool of `T::default` with these objects in it, as far as the
/// [bound](DEFAULT_MAX_IDLE) allows.
///
/// ```
/// use pool_object::Pool;
/// let pool: Pool<String> = ["some", "names"].map(String::from).into_iter().collect();
/// assert_eq!(pool.stats().idle, 2);
/// ```
impl<T: Default> FromIterator<T> for Pool<T> {
    fn from_iter<I: IntoIterator<Item = T>>(objects: I) -> Self {
        let mut pool = Self::default();
        pool.extend(objects);
        pool
    }
}

impl<T, P: Policy<T>> Extend<T> for Pool<T, P> {
    /// Puts objects in, as [`put`](Pool::put) does.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let mut pool = Pool::new(|| 0);
    /// pool.extend([1, 2, 3]);
    /// assert_eq!(pool.stats().idle, 3);
    /// ```
    fn extend<I: IntoIterator<Item = T>>(&mut self, objects: I) {
        for object in objects {
            self.put(object);
        }
    }
}

impl<T, P> fmt::Debug for Pool<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("max_idle", &self.depot.max_idle())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
