//! The one place that knows whether the crate is compiled for use or for loom.
//!
//! Everything that takes part in a protocol goes through here: atomics, the
//! lock, the cell that holds a job, and parking.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

#[cfg(not(loom_models))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};

#[cfg(loom_models)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread::yield_now,
};

#[cfg(not(loom_models))]
pub(crate) use std::{thread, thread_local};

#[cfg(loom_models)]
pub(crate) use loom::{thread, thread_local};

#[cfg(not(loom_models))]
use std::sync::Mutex as RawMutex;
#[cfg(not(loom_models))]
pub(crate) use std::sync::MutexGuard;

#[cfg(loom_models)]
use loom::sync::Mutex as RawMutex;
#[cfg(loom_models)]
pub(crate) use loom::sync::MutexGuard;

/// A lock that does not know poisoning: no user code runs under it.
pub(crate) struct Mutex<T>(RawMutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RawMutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// `UnsafeCell` with loom's interface, so that loom can check the accesses.
#[cfg(not(loom_models))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom_models))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

#[cfg(loom_models)]
pub(crate) use loom::cell::UnsafeCell;

/// Wakes the thread that made it.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker for the current thread; [`park`] returns after it was woken.
pub(crate) fn thread_waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Parks the current thread, for at most `limit`. May return for no reason.
pub(crate) fn park(limit: Option<Duration>) {
    #[cfg(not(loom_models))]
    match limit {
        Some(limit) => thread::park_timeout(limit),
        None => thread::park(),
    }
    #[cfg(loom_models)]
    {
        // loom has no clock: the models park without a limit.
        let _ = limit;
        thread::park();
    }
}
