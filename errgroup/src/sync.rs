//! std or loom, by `--cfg loom_models`; everything else takes its atomics and
//! locks from here.

#[cfg(not(loom_models))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicUsize};

#[cfg(loom_models)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicUsize};

/// Locks, and goes on after a panic of another holder: what the locks of this
/// crate guard is whole at every point where foreign code can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
