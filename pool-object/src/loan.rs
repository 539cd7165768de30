//! An object on loan, which goes back when its guard is dropped.

#[cfg(feature = "checks")]
use crate::checks::{Checker, Ticket};
use crate::{Pool, TryPolicy};
use std::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// An object of a [`Pool`], for as long as the pool is borrowed: from
/// [`Pool::get`].
///
/// ```
/// use pool_object::{Guard, Pool};
/// struct Request<'a> {
///     body: Guard<'a, Vec<u8>>,
/// }
/// let pool: Pool<Vec<u8>> = Pool::default();
/// let request = Request { body: pool.get() };
/// assert!(request.body.is_empty());
/// ```
pub type Guard<'a, T, P = fn() -> T> = Loan<&'a Pool<T, P>>;

/// An object of a [`Pool`] behind an `Arc`, which it keeps alive: from
/// [`Pool::get_owned`].
///
/// It is `'static` if the pool is, so it can go where a [`Guard`] cannot: into a
/// spawned task, or a struct beside the pool. The price is the counting of the
/// `Arc`, which all threads share.
///
/// ```
/// use pool_object::{OwnedGuard, Pool};
/// use std::sync::Arc;
/// let pool: Arc<Pool<String>> = Arc::default();
/// let name: OwnedGuard<String> = pool.get_owned();
/// drop(pool);
/// assert!(name.is_empty(), "and the pool lives as long as it");
/// ```
pub type OwnedGuard<T, P = fn() -> T> = Loan<Arc<Pool<T, P>>>;

/// How a guard holds its pool: by reference, by `Arc`, or as a
/// [`StaticPool`](crate::StaticPool).
///
/// ```
/// use pool_object::{Home, Loan, Pool};
///
/// /// Takes a line from any kind of pool.
/// fn shout(line: &mut Loan<impl Home<Object = String>>) {
///     line.make_ascii_uppercase();
/// }
/// let pool = std::sync::Arc::new(Pool::new(|| "hello".to_string()));
/// let (mut one, mut other) = (pool.get(), pool.get_owned());
/// shout(&mut one);
/// shout(&mut other);
/// assert_eq!((&one[..], &other[..]), ("HELLO", "HELLO"));
/// ```
pub trait Home: sealed::Sealed {
    /// What the pool hands out.
    type Object;

    /// Takes an object back from a guard that is being dropped.
    #[doc(hidden)]
    fn take_back(&self, object: Box<Self::Object>);

    #[cfg(feature = "checks")]
    #[doc(hidden)]
    fn checker(&self) -> &Checker;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl<T, P: TryPolicy<T>> sealed::Sealed for &Pool<T, P> {}
impl<T, P: TryPolicy<T>> Home for &Pool<T, P> {
    type Object = T;

    #[inline(always)]
    fn take_back(&self, object: Box<T>) {
        self.put_after_use(object);
    }

    #[cfg(feature = "checks")]
    fn checker(&self) -> &Checker {
        Pool::checker(self)
    }
}

impl<T, P: TryPolicy<T>> sealed::Sealed for Arc<Pool<T, P>> {}
impl<T, P: TryPolicy<T>> Home for Arc<Pool<T, P>> {
    type Object = T;

    #[inline(always)]
    fn take_back(&self, object: Box<T>) {
        self.put_after_use(object);
    }

    #[cfg(feature = "checks")]
    fn checker(&self) -> &Checker {
        Pool::checker(self)
    }
}

/// An object of a pool, which goes back when this guard is dropped.
///
/// The guard may be sent to another thread, or held across an `await`; the object
/// goes back wherever the guard is dropped. If that happens while the thread panics, the
/// object is dropped instead, as it may be half changed; also in a destructor that some
/// other panic has run, of which a guard cannot tell ([`Pool::with`] can).
///
/// A guard that is forgotten leaks its object and nothing else.
///
/// It cannot outlive a pool that it borrows:
///
/// ```compile_fail,E0597
/// use pool_object::Pool;
/// let kept = {
///     let pool = Pool::new(String::new);
///     pool.get()
/// };
/// # drop(kept);
/// ```
///
/// and objects that may not be sent to other threads cannot be shared with them, nor
/// be in a `static`:
///
/// ```compile_fail,E0277
/// use pool_object::Pool;
/// use std::rc::Rc;
/// let pool: Pool<Rc<u8>> = Pool::from_fn(|| Rc::new(1));
/// std::thread::scope(|scope| {
///     scope.spawn(|| pool.get());
/// });
/// ```
/// ```compile_fail,E0277
/// use pool_object::Pool;
/// use std::rc::Rc;
/// static POOL: Pool<Rc<u8>> = Pool::from_fn(|| Rc::new(1));
/// ```
#[must_use = "dropped at once, the object goes straight back"]
pub struct Loan<H: Home> {
    home: H,
    object: ManuallyDrop<Box<H::Object>>,
    #[cfg(feature = "checks")]
    ticket: Ticket,
}

impl<H: Home> Loan<H> {
    #[inline(always)]
    #[cfg_attr(feature = "checks", track_caller)]
    pub(crate) fn new(home: H, object: Box<H::Object>) -> Self {
        Self {
            #[cfg(feature = "checks")]
            ticket: home.checker().open_loan(),
            home,
            object: ManuallyDrop::new(object),
        }
    }

    /// Takes the object out of the guard; it does not go back unless it is
    /// [`put`](Pool::put).
    ///
    /// An associated function, so as not to hide a method of the object.
    ///
    /// ```
    /// # use pool_object::{Guard, Pool};
    /// let pool = Pool::new(|| 7);
    /// let mine: Box<i32> = Guard::detach(pool.get());
    /// assert_eq!((*mine, pool.stats().idle), (7, 0));
    /// ```
    pub fn detach(guard: Self) -> Box<H::Object> {
        let mut guard = ManuallyDrop::new(guard);
        #[cfg(feature = "checks")]
        guard.home.checker().close_loan(guard.ticket);
        // SAFETY: the guard's own drop, which would take it too, does not run.
        let object = unsafe { ManuallyDrop::take(&mut guard.object) };
        // SAFETY: moved out of a guard that is not dropped and not used again.
        drop(unsafe { std::ptr::read(&raw const guard.home) });
        object
    }

    /// What it holds its pool by.
    ///
    /// ```
    /// # use pool_object::{Guard, Pool};
    /// let pool = Pool::new(|| 7);
    /// let number = pool.get();
    /// assert_eq!(Guard::pool(&number).stats().misses, 1);
    /// ```
    #[must_use]
    pub fn pool(guard: &Self) -> &H {
        &guard.home
    }
}

impl<H: Home> Drop for Loan<H> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: nothing uses the guard after its drop, and `detach` avoids it.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        #[cfg(feature = "checks")]
        self.home.checker().close_loan(self.ticket);
        self.home.take_back(object);
    }
}

impl<H: Home> Deref for Loan<H> {
    type Target = H::Object;

    #[inline(always)]
    fn deref(&self) -> &H::Object {
        &self.object
    }
}

impl<H: Home> DerefMut for Loan<H> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut H::Object {
        &mut self.object
    }
}

impl<H: Home> AsRef<H::Object> for Loan<H> {
    fn as_ref(&self) -> &H::Object {
        self
    }
}

impl<H: Home> AsMut<H::Object> for Loan<H> {
    fn as_mut(&mut self) -> &mut H::Object {
        self
    }
}

impl<H: Home<Object: fmt::Debug>> fmt::Debug for Loan<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<H: Home<Object: fmt::Display>> fmt::Display for Loan<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
