//! Where an object comes from that is asked for.

use super::Pool;
use crate::{Guard, OwnedGuard, Policy, TryPolicy, object::Object};
use std::sync::Arc;

impl<T, P: Policy<T>> Pool<T, P> {
    /// An object that is idle, or a new one. It goes back as the guard is dropped.
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
    #[inline]
    pub fn take(&self) -> Box<T> {
        self.take_or_else(|| self.policy.create())
    }

    /// Makes up to `objects` objects ahead of their use, where every thread finds
    /// them; stops at the bound on idle objects. Says how many were made and kept.
    pub fn prewarm(&self, objects: usize) -> usize {
        for made in 0..objects.min(self.depot.max_idle()) {
            let idle = self.idle(Box::new(self.policy.create()));
            if let Err(idle) = self.depot.put_shared(made, idle) {
                // SAFETY: it was made from a `Box<T>` just now.
                drop(unsafe { idle.object.into_box::<T>() });
                return made;
            }
            self.depot.count(|counters| &counters.prewarmed, 1);
        }
        objects.min(self.depot.max_idle())
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
    /// Looked for in the calling thread's cache and in all shards; the few that
    /// other threads keep for themselves are out of reach.
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
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub fn try_get_owned(self: &Arc<Self>) -> Option<OwnedGuard<T, P>> {
        let object = self.try_take()?;
        Some(OwnedGuard::new(Arc::clone(self), object))
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
