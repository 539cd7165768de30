//! Why a group did not come to a good end.

use std::fmt;

use crate::panic::Panic;

/// Why not all was done: what [`Group::try_wait`](crate::Group::try_wait) and
/// [`try_scope`](crate::try_scope) return.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitError<E> {
    /// The first error of a task, or that of the deadline.
    Failed(E),
    /// The first panic, whatever errors there were.
    Panicked(Panic),
    /// No task failed, but the group was cancelled by hand before its end, so tasks
    /// may not have started or may have stopped half way.
    Cancelled,
    /// The runtime shut down and dropped a task before it was done.
    Aborted,
}

impl<E: fmt::Display> fmt::Display for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Aborted => f.write_str("the runtime dropped a task of the group"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for WaitError<E> {}

impl<E> WaitError<E> {
    /// With an error in place of a panic, if there is something that makes it.
    pub(crate) fn convert(self, on_panic: Option<impl FnOnce(Panic) -> E>) -> Self {
        match (self, on_panic) {
            (Self::Panicked(panic), Some(convert)) => Self::Failed(convert(panic)),
            (why, _) => why,
        }
    }

    /// What `wait` makes of it: a panic goes on, a cancel by hand is no error.
    pub(crate) fn settle(self) -> Result<(), E> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Panicked(panic) => panic.resume(),
            Self::Cancelled => Ok(()),
            Self::Aborted => panic!("the runtime dropped a task of the group"),
        }
    }
}
