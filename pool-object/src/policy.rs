//! How a pool makes, resets and judges its objects.

use std::convert::Infallible;

/// What to make, how to reset it, and whether to keep it.
///
/// Dispatched statically; a closure or function that makes a `T` is a policy that
/// keeps everything as it is, and [`Pool::with_reset`](crate::Pool::with_reset) takes
/// two of them. It answers to the `New` field of Go's `sync.Pool`, and to
/// `PooledObjectPolicy` of .NET.
///
/// ```
/// use pool_object::{Policy, Pool};
///
/// struct Lines;
/// impl Policy<Vec<String>> for Lines {
///     fn create(&self) -> Vec<String> {
///         Vec::with_capacity(64)
///     }
///     fn reset(&self, lines: &mut Vec<String>) -> bool {
///         lines.clear();
///         lines.capacity() <= 1024
///     }
/// }
///
/// static LINES: Pool<Vec<String>, Lines> = Pool::new(Lines);
/// LINES.get().push("one".to_string());
/// assert!(LINES.get().is_empty());
/// ```
pub trait Policy<T> {
    /// Makes an object, because none is idle.
    ///
    /// A panic goes through to the caller of `get`; the pool stays as it was. It is returned
    /// by value, so what is too large for the stack is to be behind a pointer: a `Vec`, a
    /// `Box`.
    fn create(&self) -> T;

    /// Makes an object that comes back fit for its next use; `false` has it dropped
    /// instead of kept.
    ///
    /// It runs as the object comes back, on the thread that brings it, so that
    /// nothing stale or secret stays alive while the object is idle. If it panics,
    /// the object is dropped and the panic goes on.
    #[inline]
    fn reset(&self, object: &mut T) -> bool {
        let _ = object;
        true
    }

    /// What an idle object weighs against the pool's bound: 1, unless the policy says
    /// something else, such as its bytes.
    ///
    /// Asked after each reset; at least 1 counts. It costs the hit path a comparison.
    ///
    /// ```
    /// use pool_object::{Policy, Pool};
    ///
    /// struct Pages;
    /// impl Policy<Vec<u8>> for Pages {
    ///     fn create(&self) -> Vec<u8> {
    ///         Vec::new()
    ///     }
    ///     fn reset(&self, page: &mut Vec<u8>) -> bool {
    ///         page.clear();
    ///         page.capacity() > 0
    ///     }
    ///     fn weigh(&self, page: &Vec<u8>) -> usize {
    ///         page.capacity()
    ///     }
    /// }
    ///
    /// // At most 1 MiB idle, however that is divided.
    /// let pool = Pool::new(Pages).max_idle(1 << 20);
    /// let mut pages: Vec<_> = (0..1000).map(|_| pool.get()).collect();
    /// pages.iter_mut().for_each(|page| page.reserve(4096));
    /// drop(pages);
    /// assert!(pool.stats().idle_weight <= 1 << 20);
    /// assert!(pool.stats().idle <= 256);
    /// ```
    #[inline]
    fn weigh(&self, object: &T) -> usize {
        let _ = object;
        1
    }

    /// Overwrites what its next user must not rely on, after `reset`, in a pool that
    /// `checks` for that (feature `checks`); nothing unless the policy knows better.
    ///
    /// ```
    /// use pool_object::{Policy, Pool};
    ///
    /// struct Pages;
    /// impl Policy<[u8; 64]> for Pages {
    ///     fn create(&self) -> [u8; 64] {
    ///         [0; 64]
    ///     }
    ///     fn poison(&self, page: &mut [u8; 64]) {
    ///         page.fill(0xA5);
    ///     }
    /// }
    /// # #[cfg(feature = "checks")] {
    /// let pool = Pool::new(Pages).checks(pool_object::Checks::none().poison());
    /// drop(pool.get());
    /// assert_eq!(*pool.get(), [0xA5; 64], "nobody can take it for fresh");
    /// # }
    /// ```
    fn poison(&self, object: &mut T) {
        let _ = object;
    }
}

impl<T, F: Fn() -> T> Policy<T> for F {
    #[inline]
    fn create(&self) -> T {
        self()
    }
}

/// A policy of two functions; see [`Pool::with_reset`](crate::Pool::with_reset).
///
/// ```
/// use pool_object::{Pool, WithReset};
///
/// type Lines = WithReset<fn() -> String, fn(&mut String) -> bool>;
/// static LINES: Pool<String, Lines> = Pool::with_reset(String::new, |line| {
///     line.clear();
///     line.capacity() < 4096
/// });
/// LINES.get().push_str("gone when it is back");
/// assert!(LINES.get().is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithReset<C, R> {
    pub(crate) create: C,
    pub(crate) reset: R,
}

impl<T, C: Fn() -> T, R: Fn(&mut T) -> bool> Policy<T> for WithReset<C, R> {
    #[inline]
    fn create(&self) -> T {
        (self.create)()
    }

    #[inline]
    fn reset(&self, object: &mut T) -> bool {
        (self.reset)(object)
    }
}

/// A policy whose `create` may fail, with an error of its own, such as one that opens
/// a file. Every [`Policy`] is one that never does.
///
/// ```
/// use pool_object::{Pool, TryPolicy};
/// use std::{fs::File, io};
///
/// struct Sources;
/// impl TryPolicy<File> for Sources {
///     type Error = io::Error;
///     fn try_create(&self) -> io::Result<File> {
///         File::open("Cargo.toml")
///     }
/// }
///
/// static SOURCES: Pool<File, Sources> = Pool::new(Sources);
/// let source = SOURCES.get_or_error()?;
/// # Ok::<(), io::Error>(())
/// ```
pub trait TryPolicy<T> {
    /// Why an object could not be made.
    type Error;

    /// Makes an object, because none is idle.
    ///
    /// # Errors
    /// What goes to the caller of [`Pool::get_or_error`](crate::Pool::get_or_error);
    /// the pool stays as it was.
    fn try_create(&self) -> Result<T, Self::Error>;

    /// See [`Policy::reset`].
    #[inline]
    fn reset(&self, object: &mut T) -> bool {
        let _ = object;
        true
    }

    /// See [`Policy::weigh`].
    #[inline]
    fn weigh(&self, object: &T) -> usize {
        let _ = object;
        1
    }

    /// See [`Policy::poison`].
    fn poison(&self, object: &mut T) {
        let _ = object;
    }
}

impl<T, P: Policy<T>> TryPolicy<T> for P {
    type Error = Infallible;

    #[inline]
    fn try_create(&self) -> Result<T, Infallible> {
        Ok(self.create())
    }

    #[inline]
    fn reset(&self, object: &mut T) -> bool {
        Policy::reset(self, object)
    }

    #[inline]
    fn weigh(&self, object: &T) -> usize {
        Policy::weigh(self, object)
    }

    fn poison(&self, object: &mut T) {
        Policy::poison(self, object);
    }
}
