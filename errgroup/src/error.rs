//! Refusals that give the task back.

use std::fmt;

/// Why [`try_spawn`](crate::Group::try_spawn) did not take the task, and the
/// task.
#[non_exhaustive]
pub enum TrySpawnError<F> {
    /// No slot is free (Go: `TryGo` returned false).
    Full(F),
    /// The group is cancelled or has ended; nothing starts any more.
    Cancelled(F),
}

impl<F> TrySpawnError<F> {
    /// The task, untouched.
    pub fn into_task(self) -> F {
        match self {
            Self::Full(task) | Self::Cancelled(task) => task,
        }
    }

    /// Whether a later attempt can succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Cancelled(_) => "Cancelled(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "no slot is free in the group",
            Self::Cancelled(_) => "the group is cancelled",
        })
    }
}

impl<F> std::error::Error for TrySpawnError<F> {}

/// Why [`spawn_wait`](crate::Group::spawn_wait) did not take the task, and the
/// task.
#[non_exhaustive]
pub enum SpawnError<F> {
    /// The group was cancelled, or has ended, before a slot was free.
    Cancelled(F),
}

impl<F> SpawnError<F> {
    /// The task, untouched.
    pub fn into_task(self) -> F {
        match self {
            Self::Cancelled(task) => task,
        }
    }
}

impl<F> fmt::Debug for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled(..)")
    }
}

impl<F> fmt::Display for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the group is cancelled")
    }
}

impl<F> std::error::Error for SpawnError<F> {}
