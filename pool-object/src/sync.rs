//! The one place where `std` and `loom` are switched.
//!
//! Everything whose interleavings the models explore comes from here. What is
//! left on `std` under loom, on purpose, is only what carries no protocol: the
//! pool's stamp (compared, never a permission by itself) and the lazy creation
//! of a pool's store (`once_cell`'s own business).

#[cfg(loom_models)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicUsize, fence},
    },
    thread::{LocalKey, yield_now},
};

#[cfg(not(loom_models))]
#[allow(unused_imports)] // The fence is for systems without `membarrier`.
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicUsize, fence},
    },
    thread::{LocalKey, yield_now},
};

pub(crate) use std::sync::atomic::Ordering;

/// Locks whatever happened before: no code of a caller runs under a lock of
/// this crate, so a poisoned one is as consistent as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The lock if it is free right now.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}

/// `std`'s cell with loom's closures, so that loom can see every access.
#[cfg(not(loom_models))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom_models))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// A thread local that needs no lazy initialisation (loom's always does).
#[cfg(not(loom_models))]
macro_rules! per_thread {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)*) => {
        ::std::thread_local! { $($(#[$attr])* static $name: $type = const { $init };)* }
    };
}

#[cfg(loom_models)]
macro_rules! per_thread {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;)*) => {
        ::loom::thread_local! { $($(#[$attr])* static $name: $type = $init;)* }
    };
}

/// A process-wide mutex; loom makes a fresh one for every execution.
#[cfg(not(loom_models))]
macro_rules! global_mutex {
    ($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;) => {
        $(#[$attr])* static $name: $crate::sync::Mutex<$type> = $crate::sync::Mutex::new($init);
    };
}

#[cfg(loom_models)]
macro_rules! global_mutex {
    ($(#[$attr:meta])* static $name:ident: $type:ty = $init:expr;) => {
        ::loom::lazy_static! {
            $(#[$attr])* static ref $name: $crate::sync::Mutex<$type> =
                $crate::sync::Mutex::new($init);
        }
    };
}

/// A `const fn`; loom's atomics are not made in one.
macro_rules! const_unless_loom {
    ($(#[$attr:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom_models))]
        $(#[$attr])* $vis const fn $($rest)*
        #[cfg(loom_models)]
        $(#[$attr])* $vis fn $($rest)*
    };
}

pub(crate) use {const_unless_loom, global_mutex, per_thread};
