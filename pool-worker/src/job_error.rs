//! Why a job has no result.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::Identity;
use crate::overload::WhyUnserved;
use crate::panic;

/// A job that has no result: which one, and why. What its [handle](crate::Handle) tells.
///
/// ```
/// use pool_worker::{JobFailure, threads::Pool};
///
/// let pool = Pool::builder().name("cpu").build();
/// let job = pool.spawn_named("shrink", || -> u32 { panic!("no such picture") })?;
/// let error = job.wait().unwrap_err();
/// assert_eq!(error.to_string(), r#"job "shrink" of pool "cpu" panicked: no such picture"#);
/// assert!(matches!(error.into_reason(), JobFailure::Panicked(_payload)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JobError {
    pool: Arc<str>,
    job: Option<&'static str>,
    reason: JobFailure,
}

/// Why a job has no result.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JobFailure {
    /// It panicked with this.
    #[error("panicked")]
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled, or dropped with the runtime of its pool.
    #[error("was cancelled")]
    Cancelled,
    /// It made room for a newer job, and was dropped.
    #[error("was dropped to make room for a newer one")]
    Displaced,
    /// Its pool accepted it, and then did not run it.
    #[error("was {why} after {delay:?}")]
    Unserved {
        /// Why not.
        why: WhyUnserved,
        /// How long it had waited.
        delay: Duration,
    },
    /// A job of the same pool, or of another one of its [`MultiPool`](crate::MultiPool),
    /// waited for it, which could wait for ever. The job goes on, as after a drop of its
    /// handle.
    #[error("may not be waited for by a job of its own pool")]
    Nested,
}

impl JobError {
    pub(crate) fn new(pool: &Identity, job: Option<&'static str>, reason: JobFailure) -> Self {
        Self {
            pool: Arc::clone(pool.name()),
            job,
            reason,
        }
    }

    /// The name of its pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// The name of the job, if it was submitted with one.
    pub fn job(&self) -> Option<&str> {
        self.job
    }

    /// Why it has no result.
    pub fn reason(&self) -> &JobFailure {
        &self.reason
    }

    /// The same, with the payload of a panic.
    pub fn into_reason(self) -> JobFailure {
        self.reason
    }

    /// The message, when the job panicked with one, as `panic!` does.
    pub fn message(&self) -> Option<&str> {
        match &self.reason {
            JobFailure::Panicked(payload) => panic::message(&**payload),
            _ => None,
        }
    }
}

impl fmt::Debug for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked(_) => "Panicked(..)",
            Self::Cancelled => "Cancelled",
            Self::Displaced => "Displaced",
            Self::Unserved { .. } => "Unserved",
            Self::Nested => "Nested",
        })
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobError")
            .field("pool", &self.pool)
            .field("job", &self.job)
            .field("reason", &self.reason)
            .finish()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pool, reason) = (&self.pool, &self.reason);
        match self.job {
            Some(job) => write!(f, "job {job:?} of pool {pool:?} {reason}")?,
            None => write!(f, "a job of pool {pool:?} {reason}")?,
        }
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JobError {}
