//! Objects that are counted while they live.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// An object that counts how many of its kind are alive.
pub struct Tracked(Arc<AtomicUsize>);

impl Tracked {
    pub fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(alive))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
