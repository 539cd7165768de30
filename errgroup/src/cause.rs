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
    /// The runtime dropped a task before it was done: the runtime shut down. What
    /// `wait` makes of it: [`WaitError::Aborted`](crate::WaitError::Aborted).
    Aborted,
    /// `wait` returned; the error, if there was one, went to its caller.
    Ended,
}

/// What kind of [`Cause`] it was: a word of it, to keep, that is there also after
/// the end, when the error itself has gone to whoever waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A task returned an error, or the deadline passed.
    Failed,
    /// A task panicked.
    Panicked,
    /// Somebody called `cancel`.
    Cancelled,
    /// The group was dropped.
    Dropped,
    /// The runtime dropped a task before it was done.
    Aborted,
    /// None: `wait` has returned, and nothing had cancelled before.
    Ended,
}

impl<E> Cause<E> {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Error(_) => Reason::Failed,
            Self::Panicked(_) => Reason::Panicked,
            Self::Cancelled => Reason::Cancelled,
            Self::Dropped => Reason::Dropped,
            Self::Aborted => Reason::Aborted,
            Self::Ended => Reason::Ended,
        }
    }

    /// The error, to keep.
    pub(crate) fn error(&self) -> Option<E>
    where
        E: Clone,
    {
        match self {
            Self::Error(error) => Some(error.clone()),
            _ => None,
        }
    }

    /// Whether it is an error or a panic.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Panicked(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "a task failed",
            Self::Panicked => "a task panicked",
            Self::Cancelled => "cancelled",
            Self::Dropped => "the group was dropped",
            Self::Aborted => "the runtime dropped a task of the group",
            Self::Ended => "the group has ended",
        })
    }
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            other => other.reason().fmt(f),
        }
    }
}
