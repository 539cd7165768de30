//! What can go wrong, with the job given back.

use std::fmt;
use std::time::Duration;

/// Why a job was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Every worker is busy and the queue is full (ants: `ErrPoolOverload`).
    #[error("the pool is full")]
    Full,
    /// The pool was closed, before or while the job waited to be accepted
    /// (ants: `ErrPoolClosed`).
    #[error("the pool is closed")]
    Closed,
    /// The pool was full for all the time that the submitter would wait.
    #[error("the pool stayed full for {0:?}")]
    Timeout(Duration),
}

/// A job that was not accepted, and why.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("job not accepted: {reason}")]
pub struct SubmitError<J> {
    reason: Reason,
    job: J,
}

impl<J> SubmitError<J> {
    pub(crate) fn new(reason: Reason, job: J) -> Self {
        Self { reason, job }
    }

    /// Why it was not accepted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The job, as it was submitted.
    pub fn into_job(self) -> J {
        self.job
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Why closing did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// It was closed before. (ants: `ErrPoolClosed`.)
    #[error("the pool was closed before")]
    AlreadyClosed,
    /// Jobs were still there when the time was over (ants: `ErrTimeout`). The
    /// pool stays closed, and they go on.
    #[error("the pool still had {running} running and {queued} queued jobs when the time was over")]
    Timeout {
        /// Jobs being run.
        running: usize,
        /// Jobs waiting for a worker.
        queued: usize,
    },
    /// The workers went away with their runtime before they had run every job.
    #[error("{dropped} accepted jobs were dropped together with their runtime")]
    Dropped {
        /// Jobs that were never run, or not to their end.
        dropped: u64,
    },
}
