//! Jobs that were given back, by reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Reason;

/// Jobs given back to the submitter, by [`Reason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejections {
    /// [`Reason::Full`].
    pub full: u64,
    /// [`Reason::Crowded`].
    pub crowded: u64,
    /// [`Reason::Closed`].
    pub closed: u64,
    /// [`Reason::Nested`].
    pub nested: u64,
    /// [`Reason::Refused`].
    pub refused: u64,
    /// [`Reason::Timeout`].
    pub timeout: u64,
}

/// Counts them.
#[derive(Default)]
pub(crate) struct Counters {
    full: AtomicU64,
    crowded: AtomicU64,
    closed: AtomicU64,
    nested: AtomicU64,
    refused: AtomicU64,
    timeout: AtomicU64,
}

impl Counters {
    pub(crate) fn add(&self, reason: Reason) {
        let counter = match reason {
            Reason::Full => &self.full,
            Reason::Crowded => &self.crowded,
            Reason::Closed => &self.closed,
            Reason::Nested => &self.nested,
            Reason::Refused => &self.refused,
            Reason::Timeout => &self.timeout,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn get(&self) -> Rejections {
        Rejections {
            full: self.full.load(Relaxed),
            crowded: self.crowded.load(Relaxed),
            closed: self.closed.load(Relaxed),
            nested: self.nested.load(Relaxed),
            refused: self.refused.load(Relaxed),
            timeout: self.timeout.load(Relaxed),
        }
    }
}

impl Rejections {
    /// For whichever reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full + self.crowded + self.closed + self.nested + self.refused + self.timeout
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            full: self.full + other.full,
            crowded: self.crowded + other.crowded,
            closed: self.closed + other.closed,
            nested: self.nested + other.nested,
            refused: self.refused + other.refused,
            timeout: self.timeout + other.timeout,
        }
    }
}
