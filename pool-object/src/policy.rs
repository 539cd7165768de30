//! How a pool makes, resets and judges its objects.

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
    /// A panic goes through to the caller of `get`; the pool stays as it was.
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
}

impl<T, F: Fn() -> T> Policy<T> for F {
    #[inline]
    fn create(&self) -> T {
        self()
    }
}

/// A policy of two functions; see [`Pool::with_reset`](crate::Pool::with_reset).
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
