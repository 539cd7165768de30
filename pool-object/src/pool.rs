//! The pool of objects of one type.

mod give_back;

use crate::{Guard, OwnedGuard, Policy, Stats, WithReset, depot::Depot, object::Object};
use std::{
    fmt,
    marker::PhantomData,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

/// Idle objects a pool keeps at most, unless [`max_idle`](Pool::max_idle) says
/// otherwise.
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
/// Do not use a pool for what is cheap to make (a few words on the stack, one
/// small allocation), nor for what is long-lived and has no state: share that
/// behind an `Arc`.
pub struct Pool<T, P = fn() -> T> {
    depot: Depot,
    keep_after_panic: bool,
    policy: P,
    objects: PhantomData<Box<T>>,
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
            policy,
            objects: PhantomData,
        }
    }

    /// Bounds the idle objects, over all threads together: at no time are there
    /// more. What comes back beyond that is dropped. The default is
    /// [`DEFAULT_MAX_IDLE`]; 0 keeps nothing.
    ///
    /// A thread holds places for its cache in advance (one, and up to 32 more as it
    /// needs them), so with many threads somewhat less than the bound may be kept;
    /// a quarter of it is never held in advance. Below 3, no thread has a cache and
    /// every call goes through a lock.
    #[must_use]
    pub const fn max_idle(mut self, objects: usize) -> Self {
        self.depot.set_max_idle(objects);
        self
    }

    /// Whether an object that was out while its user panicked is kept all the same,
    /// after its reset. By default it is dropped.
    #[must_use]
    pub const fn keep_after_panic(mut self, keep: bool) -> Self {
        self.keep_after_panic = keep;
        self
    }

    #[cfg(feature = "bytes")]
    pub(crate) const fn set_max_idle(&mut self, objects: usize) {
        self.depot.set_max_idle(objects);
    }

    /// The policy it was made with.
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// Drops the objects that are idle.
    ///
    /// Those in the shards and in the calling thread's cache at once; another thread
    /// drops what is in its cache when it next uses the pool, or hands it to the
    /// shards if it ends before. Objects that are out are not touched.
    pub fn clear(&self) {
        self.depot.clear();
    }

    /// Drops the objects that were idle since the last trim: call it now and then.
    ///
    /// An object goes when two trims in a row found it unused, as Go's collector does
    /// it. In the shards at once; a thread that did not use the pool between two
    /// trims drops what is in its cache when it next does.
    pub fn trim(&self) {
        self.depot.trim();
    }

    /// The figures since the pool was made, merged over all threads.
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

impl<T, P: Policy<T>> Pool<T, P> {
    /// An object that is idle, or a new one. It goes back as the guard is dropped.
    #[inline]
    pub fn get(&self) -> Guard<'_, T, P> {
        Guard::new(self, self.take())
    }

    /// An object that is idle, or `None`.
    ///
    /// Looked for in the calling thread's cache and in all shards; the few that
    /// other threads keep for themselves are out of reach.
    #[inline]
    pub fn try_get(&self) -> Option<Guard<'_, T, P>> {
        Some(Guard::new(self, self.try_take()?))
    }

    /// An object that is idle, or what `create` makes in place of the policy.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool: Pool<Vec<u8>> = Pool::new(Vec::new);
    /// let buf = pool.get_or_else(|| vec![0; 16]);
    /// assert_eq!(buf.len(), 16);
    /// ```
    #[inline]
    pub fn get_or_else(&self, create: impl FnOnce() -> T) -> Guard<'_, T, P> {
        Guard::new(self, self.take_or_else(create))
    }

    /// An object that is idle, or what `create` makes, which may fail.
    ///
    /// # Errors
    /// What `create` returned.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool: Pool<Vec<u8>> = Pool::new(Vec::new);
    /// let refused = pool.get_or_try_else(|| Err::<Vec<u8>, _>("no memory today"));
    /// assert_eq!(refused.unwrap_err(), "no memory today");
    /// ```
    #[inline]
    pub fn get_or_try_else<E>(
        &self,
        create: impl FnOnce() -> Result<T, E>,
    ) -> Result<Guard<'_, T, P>, E> {
        let object = match self.try_take() {
            Some(object) => object,
            None => {
                let made = create()?;
                self.miss(|| made)
            }
        };
        Ok(Guard::new(self, object))
    }

    /// As [`get`](Self::get), with a guard that keeps the pool alive.
    ///
    /// ```
    /// use pool_object::Pool;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(Pool::new(String::new));
    /// let name = pool.get_owned();
    /// std::thread::spawn(move || drop(name)).join().unwrap();
    /// assert_eq!(pool.stats().returned(), 1);
    /// ```
    #[inline]
    pub fn get_owned(self: &Arc<Self>) -> OwnedGuard<T, P> {
        OwnedGuard::new(Arc::clone(self), self.take())
    }

    /// As [`try_get`](Self::try_get), with a guard that keeps the pool alive.
    #[inline]
    pub fn try_get_owned(self: &Arc<Self>) -> Option<OwnedGuard<T, P>> {
        let object = self.try_take()?;
        Some(OwnedGuard::new(Arc::clone(self), object))
    }

    /// An object that is idle, or a new one, without a guard: Go's `Get`. It does
    /// not go back unless it is [`put`](Self::put).
    #[inline]
    pub fn take(&self) -> Box<T> {
        self.take_or_else(|| self.policy.create())
    }

    /// Resets an object and keeps it for the next use, wherever it comes from: Go's
    /// `Put`. It is dropped if the policy refuses it or no place is left.
    #[inline]
    pub fn put(&self, object: impl Into<Box<T>>) {
        self.put_back(object.into());
    }

    /// Makes up to `objects` objects ahead of their use, where every thread finds
    /// them; stops at the bound on idle objects. Says how many were made and kept.
    pub fn prewarm(&self, objects: usize) -> usize {
        for made in 0..objects.min(self.depot.max_idle()) {
            let object = Object::from_box(Box::new(self.policy.create()));
            if let Err(object) = self.depot.put_shared(made, object) {
                // SAFETY: it was made from a `Box<T>` just now.
                drop(unsafe { object.into_box::<T>() });
                return made;
            }
            self.depot.count(|counters| &counters.prewarmed, 1);
        }
        objects.min(self.depot.max_idle())
    }

    #[inline(always)]
    fn try_take(&self) -> Option<Box<T>> {
        let object = self
            .depot
            .take_slot()
            .or_else(|| self.take_past_the_slot())?;
        // SAFETY: every object in the depot was made from a `Box<T>`.
        Some(unsafe { object.into_box() })
    }

    #[inline(always)]
    pub(crate) fn take_or_else(&self, create: impl FnOnce() -> T) -> Box<T> {
        match self.depot.take_slot() {
            // SAFETY: every object in the depot was made from a `Box<T>`.
            Some(object) => unsafe { object.into_box() },
            None => self.take_or_make(create),
        }
    }

    /// Out of line, so that every caller inlines the slot alone. The magazine is still
    /// without a lock.
    #[inline(never)]
    fn take_or_make(&self, create: impl FnOnce() -> T) -> Box<T> {
        match self.depot.take() {
            // SAFETY: every object in the depot was made from a `Box<T>`.
            Some(object) => unsafe { object.into_box() },
            None => self.miss(create),
        }
    }

    #[inline(never)]
    fn take_past_the_slot(&self) -> Option<Object> {
        self.depot.take()
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn miss(&self, create: impl FnOnce() -> T) -> Box<T> {
        self.depot.count(|counters| &counters.misses, 1);
        Box::new(create())
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

impl<T, P: Policy<T>> Extend<T> for Pool<T, P> {
    /// Puts objects in, as [`put`](Pool::put) does.
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
