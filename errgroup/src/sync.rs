//! std or loom, by `--cfg loom_models`; everything else takes its atomics,
//! locks and queues from here.

#[cfg(not(loom_models))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize},
    },
    thread::yield_now,
};

#[cfg(not(loom_models))]
pub(crate) use crossbeam_queue::{ArrayQueue, SegQueue};

#[cfg(loom_models)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize},
    },
    thread::yield_now,
};

#[cfg(loom_models)]
pub(crate) use locked::{ArrayQueue, SegQueue};

/// Locks, and goes on after a panic of another holder: what the locks of this
/// crate guard is whole at every point where foreign code can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The queues for loom, which cannot look into crossbeam's.
#[cfg(loom_models)]
mod locked {
    use super::{Mutex, lock};
    use std::collections::VecDeque;

    #[derive(Debug)]
    pub(crate) struct SegQueue<T>(Mutex<VecDeque<T>>);

    impl<T> SegQueue<T> {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }

        pub(crate) fn push(&self, value: T) {
            lock(&self.0).push_back(value);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            lock(&self.0).pop_front()
        }

        pub(crate) fn is_empty(&self) -> bool {
            lock(&self.0).is_empty()
        }
    }

    #[derive(Debug)]
    pub(crate) struct ArrayQueue<T> {
        values: Mutex<VecDeque<T>>,
        most: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(most: usize) -> Self {
            let values = Mutex::new(VecDeque::new());
            Self { values, most }
        }

        pub(crate) fn push(&self, value: T) -> Result<(), T> {
            let mut values = lock(&self.values);
            if values.len() == self.most {
                return Err(value);
            }
            values.push_back(value);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            lock(&self.values).pop_front()
        }

        pub(crate) fn is_empty(&self) -> bool {
            lock(&self.values).is_empty()
        }
    }
}
