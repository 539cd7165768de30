//! What becomes of a job that is not run.

use std::time::Duration;

use super::class::Class;

/// A job that was accepted and is not run, as its pool gives it back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unserved<T> {
    /// The job, unchanged.
    pub job: T,
    /// What it was submitted as.
    pub class: Class,
    /// Why it is not run.
    pub why: WhyUnserved,
    /// How long it had waited.
    pub delay: Duration,
}

/// Why a job that was accepted is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WhyUnserved {
    /// It waited for too long in a queue that is overloaded.
    #[error("shed under overload")]
    Shed,
    /// Its deadline passed before it was its turn.
    #[error("expired")]
    Expired,
    /// The queue was full, and it made room: for a more urgent one, or for one of a
    /// [key](super::Class::key) that had fewer there.
    #[error("displaced to make room")]
    Displaced,
    /// The runtime of the workers went away before it was its turn.
    #[error("dropped with its runtime")]
    Dropped,
}
