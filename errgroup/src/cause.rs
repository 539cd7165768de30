//! Why a group was cancelled.

use std::fmt;

use crate::panic::Panic;

/// Why a group was cancelled: the first reason, stored before anyone can see
/// the cancel (Go: `context.Cause`).
///
/// Read it with [`Handle::with_cause`](crate::Handle::with_cause).
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<E> {
    /// A task returned this error, the first one.
    Error(E),
    /// A task panicked; [`Group::wait`](crate::Group::wait) goes on with it.
    Panicked(Panic),
    /// Somebody called `cancel`.
    Cancelled,
    /// The [`Group`](crate::Group) was dropped, or its `wait` before it was
    /// done.
    Dropped,
    /// The runtime dropped a task before it was done: the runtime shut down.
    Aborted,
    /// `wait` returned; the error, if there was one, went to its caller.
    Ended,
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Dropped => f.write_str("the group was dropped"),
            Self::Aborted => f.write_str("the runtime dropped a task of the group"),
            Self::Ended => f.write_str("the group has ended"),
        }
    }
}
