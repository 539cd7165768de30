//! Mutual exclusion of an owner, who pays nothing, and a sweeper, who pays for both.

use crate::{
    asymmetric,
    sync::{AtomicBool, Ordering, yield_now},
};

/// Says when the owner is inside, and when it must stay out.
///
/// The owner stores `inside`, then loads `shut`; a sweeper stores `shut`, then loads
/// `inside`; the fences between are [`asymmetric`] partners. So either the owner
/// finds the gate shut, or the sweeper finds the owner inside and waits for it to
/// leave. The owner is inside for a few dozen instructions, and never blocks there.
#[derive(Debug)]
pub struct Gate {
    inside: AtomicBool,
    shut: AtomicBool,
}

/// The owner is inside until this is dropped.
pub struct Inside<'a>(&'a Gate);

impl Gate {
    pub fn new() -> Self {
        Self {
            inside: AtomicBool::new(false),
            shut: AtomicBool::new(false),
        }
    }

    /// Goes in, unless a sweep is on. Owner only, and not twice.
    #[inline(always)]
    pub fn enter(&self) -> Option<Inside<'_>> {
        self.inside.store(true, Ordering::Relaxed);
        asymmetric::light();
        let inside = Inside(self);
        // Acquire: what the last sweeper did before `open`.
        if self.shut.load(Ordering::Acquire) {
            return None;
        }
        Some(inside)
    }

    /// Keeps the owner out, from its next entry that sees it. One sweeper at a time.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    /// After `shut` and a heavy fence: returns once the owner is outside for good.
    pub fn wait(&self) {
        // Acquire: what the owner did before it left.
        while self.inside.load(Ordering::Acquire) {
            yield_now();
        }
    }

    pub fn open(&self) {
        self.shut.store(false, Ordering::Release);
    }
}

impl Drop for Inside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.inside.store(false, Ordering::Release);
    }
}
