//! Where an object comes from that is asked for.

use super::Pool;
use crate::{Guard, OwnedGuard, Policy, TryPolicy};
use std::sync::Arc;

impl<T, P: Policy<T>> Pool<T, P> {
    /// An object that is idle, or a new one. It goes back as the guard is dropped.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(|| Vec::<u8>::with_capacity(4096));
    /// let mut page = pool.get();
    /// page.push(1);
    /// drop(page);
    /// assert_eq!(*pool.get(), [1], "kept as it was, for nothing resets it");
    /// ```
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get(&self) -> Guard<'_, T, P> {
        Guard::new(self, self.take())
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
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get_owned(self: &Arc<Self>) -> OwnedGuard<T, P> {
        OwnedGuard::new(Arc::clone(self), self.take())
    }

    /// An object that is idle, or a new one, without a guard: Go's `Get`. It does
    /// not go back unless it is [`put`](Self::put).
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// let name: Box<String> = pool.take();
    /// pool.put(name);
    /// assert_eq!(pool.stats().idle, 1);
    /// ```
    #[inline]
    pub fn take(&self) -> Box<T> {
        self.take_or_else(|| self.policy.create())
    }

    /// Makes up to `objects` objects ahead of their use, where every thread finds
    /// them; stops at the bound on idle objects. Says how many were made and kept.
    ///
    /// A panic of the policy goes through to the caller; what was made before stays, and
    /// an object whose weighing panicked is dropped.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new).max_idle(8);
    /// assert_eq!((pool.prewarm(5), pool.prewarm(5)), (5, 3));
    /// ```
    pub fn prewarm(&self, objects: usize) -> usize {
        for kept in 0..objects {
            if !self.depot.has_place() {
                return kept;
            }
            let object = Box::new(self.policy.create());
            self.depot.count(|counters| &counters.prewarmed, 1);
            let idle = self.weighed(object);
            // The place may be gone, or the object heavier than what is left.
            if let Err(idle) = self.depot.put_shared(kept, idle) {
                self.drop_full(idle);
                return kept;
            }
            self.depot.count(|counters| &counters.kept_ahead, 1);
        }
        objects
    }
}

impl<T, P: TryPolicy<T>> Pool<T, P> {
    /// An object that is idle, or what the policy makes, which may fail.
    ///
    /// # Errors
    /// What the policy's `try_create` returned.
    ///
    /// See [`TryPolicy`] for an example. For a function that may fail there is
    /// [`get_or_try_else`](Self::get_or_try_else).
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get_or_error(&self) -> Result<Guard<'_, T, P>, P::Error> {
        Ok(Guard::new(self, self.take_or_error()?))
    }

    /// As [`get_or_error`](Self::get_or_error), with a guard that keeps the pool alive.
    ///
    /// ```
    /// use pool_object::{Pool, TryPolicy};
    /// use std::{fs::File, io, sync::Arc};
    ///
    /// struct Sources;
    /// impl TryPolicy<File> for Sources {
    ///     type Error = io::Error;
    ///     fn try_create(&self) -> io::Result<File> {
    ///         File::open("no such file")
    ///     }
    /// }
    /// let pool: Arc<Pool<File, Sources>> = Arc::new(Pool::new(Sources));
    /// assert!(pool.get_owned_or_error().is_err());
    /// ```
    ///
    /// # Errors
    /// What the policy's `try_create` returned.
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get_owned_or_error(self: &Arc<Self>) -> Result<OwnedGuard<T, P>, P::Error> {
        let object = self.take_or_error()?;
        Ok(OwnedGuard::new(Arc::clone(self), object))
    }

    /// An object that is idle, or `None`.
    ///
    /// Looked for in the calling thread's cache and in all shards; what other threads keep
    /// for themselves, up to 33 each, is out of reach.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = Pool::new(String::new);
    /// assert!(pool.try_get().is_none());
    /// drop(pool.get());
    /// assert!(pool.try_get().is_some());
    /// ```
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
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
    #[cfg_attr(feature = "checks", track_caller)]
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
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn get_or_try_else<E>(
        &self,
        create: impl FnOnce() -> Result<T, E>,
    ) -> Result<Guard<'_, T, P>, E> {
        Ok(Guard::new(self, self.take_or_try_else(create)?))
    }

    /// As [`try_get`](Self::try_get), with a guard that keeps the pool alive.
    ///
    /// ```
    /// # use pool_object::Pool;
    /// let pool = std::sync::Arc::new(Pool::new(String::new));
    /// assert!(pool.try_get_owned().is_none());
    /// drop(pool.get());
    /// assert!(pool.try_get_owned().is_some());
    /// ```
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn try_get_owned(self: &Arc<Self>) -> Option<OwnedGuard<T, P>> {
        let object = self.try_take()?;
        Some(OwnedGuard::new(Arc::clone(self), object))
    }

    #[inline(always)]
    fn try_take(&self) -> Option<Box<T>> {
        self.take_from_slot().or_else(|| self.take_past_the_slot())
    }

    #[inline(always)]
    pub(crate) fn take_or_error(&self) -> Result<Box<T>, P::Error> {
        self.take_or_try_else(|| self.policy.try_create())
    }

    #[inline(always)]
    fn take_or_try_else<E>(&self, create: impl FnOnce() -> Result<T, E>) -> Result<Box<T>, E> {
        match self.try_take() {
            Some(object) => Ok(object),
            None => {
                let made = create()?;
                Ok(self.miss(|| made))
            }
        }
    }

    #[inline(always)]
    pub(crate) fn take_or_else(&self, create: impl FnOnce() -> T) -> Box<T> {
        self.take_from_slot()
            .unwrap_or_else(|| self.take_or_make(create))
    }

    /// What is in this thread's slot, as all of a hit that is inlined.
    #[inline(always)]
    pub(crate) fn take_from_slot(&self) -> Option<Box<T>> {
        let object = self.depot.take_slot()?;
        // SAFETY: every object in the depot was made from a `Box<T>`.
        Some(unsafe { object.into_box() })
    }

    /// Out of line, so that every caller inlines the slot alone. The magazine is still
    /// without a lock.
    #[inline(never)]
    fn take_or_make(&self, create: impl FnOnce() -> T) -> Box<T> {
        self.take_past_the_slot_and(|| self.depot.look_at_the_time())
            .unwrap_or_else(|| self.miss(create))
    }

    #[inline(never)]
    fn take_past_the_slot(&self) -> Option<Box<T>> {
        self.take_past_the_slot_and(|| self.depot.look_at_the_time())
    }

    /// See [`Depot::take`](crate::depot::Depot::take).
    #[inline(always)]
    pub(crate) fn take_past_the_slot_and(&self, now_and_then: impl Fn()) -> Option<Box<T>> {
        let object = self.depot.take(now_and_then)?;
        // SAFETY: every object in the depot was made from a `Box<T>`.
        Some(unsafe { object.into_box() })
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn miss(&self, create: impl FnOnce() -> T) -> Box<T> {
        let object = Box::new(create());
        self.depot.count(|counters| &counters.misses, 1);
        object
    }
}
