//! Refusals that give the task back.

use std::fmt;

use crate::cause::Reason;
use crate::place::NoPlace;

/// Why [`try_spawn`](crate::Group::try_spawn) did not take the task, and the
/// task.
#[non_exhaustive]
pub enum TrySpawnError<F> {
    /// No slot is free (Go: `TryGo` returned false).
    Full(F),
    /// The group is cancelled or has ended, for this reason; nothing starts any more.
    Cancelled(F, Reason),
}

impl<F> TrySpawnError<F> {
    pub(crate) fn new(why: NoPlace, task: F) -> Self {
        match why {
            NoPlace::Full => Self::Full(task),
            NoPlace::Cancelled(reason) => Self::Cancelled(task, reason),
        }
    }

    /// The task, untouched.
    pub fn into_task(self) -> F {
        match self {
            Self::Full(task) | Self::Cancelled(task, _) => task,
        }
    }

    /// Whether a later attempt can succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Cancelled(_, reason) => write!(f, "Cancelled(.., {reason:?})"),
        }
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("no slot is free in the group"),
            Self::Cancelled(_, reason) => write!(f, "nothing starts any more: {reason}"),
        }
    }
}

impl<F> std::error::Error for TrySpawnError<F> {}

/// Why [`spawn_wait`](crate::Group::spawn_wait) did not take the task, and the
/// task.
#[non_exhaustive]
pub enum SpawnError<F> {
    /// The group was cancelled, or has ended, before there was room, for this reason;
    /// [`with_cause`](crate::Handle::with_cause) has more, until the group has ended.
    Cancelled(F, Reason),
}

impl<F> SpawnError<F> {
    /// The task, untouched.
    pub fn into_task(self) -> F {
        match self {
            Self::Cancelled(task, _) => task,
        }
    }
}

impl<F> fmt::Debug for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Cancelled(_, reason) = self;
        write!(f, "Cancelled(.., {reason:?})")
    }
}

impl<F> fmt::Display for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Cancelled(_, reason) = self;
        write!(f, "nothing starts any more: {reason}")
    }
}

impl<F> std::error::Error for SpawnError<F> {}
