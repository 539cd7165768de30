//! std or loom, by the cfg `loom_models`.

#[cfg(not(loom_models))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(loom_models)]
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Locks; a panic elsewhere has left nothing half done, because no foreign
/// code runs under the locks of this crate.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
