//! Why a job was not accepted, and why a close did not end well.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a job was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Every worker is busy and the queue is full.
    #[error("full")]
    Full,
    /// As many submitters as allowed are blocked already.
    #[error("full, and too many submitters wait already")]
    Crowded,
    /// The pool does not accept jobs any more.
    #[error("closed")]
    Closed,
    /// The pool is overloaded and lets in only what is more urgent; see
    /// [`Control::dagor`](crate::overload::Control::dagor).
    #[error("overloaded, and lets in only what is more urgent")]
    Refused,
    /// Every worker is busy and the queue is full, and the submitter is itself
    /// a job of this pool, or of another one of its [`MultiPool`](crate::MultiPool),
    /// which might wait for its own end.
    #[error("full, and its own job may not wait for room")]
    Nested,
    /// The pool stayed full until the time limit.
    #[error("full until the time limit")]
    Timeout,
}

/// A job that was not accepted, and why. The job comes back with it.
///
/// It is as `Send` and as `Sync` as the job. A boxed future, or a closure with a
/// `Receiver`, is not `Sync`, and then neither `anyhow` nor `Box<dyn Error + Send + Sync>`
/// takes the error with it:
///
/// ```
/// use pool_worker::{SubmitError, threads::Pool};
/// use std::error::Error;
/// use std::sync::mpsc::Receiver;
///
/// fn print_all(pool: &Pool, lines: Receiver<String>) -> Result<(), Box<dyn Error + Send + Sync>> {
///     let job = move || lines.iter().for_each(|line| println!("{line}"));
///     pool.submit(job).map_err(SubmitError::without_job)?;
///     Ok(())
/// }
/// # print_all(&Pool::new(1), std::sync::mpsc::channel().1).unwrap();
/// ```
pub struct SubmitError<J> {
    pool: Arc<str>,
    name: Option<&'static str>,
    reason: Reason,
    delay: Option<Duration>,
    job: J,
}

impl<J> SubmitError<J> {
    pub(crate) fn new(pool: &Arc<str>, reason: Reason, job: J) -> Self {
        Self {
            pool: Arc::clone(pool),
            name: None,
            reason,
            delay: None,
            job,
        }
    }

    /// Of a job that was submitted with this name.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// By a pool that looks at how long jobs wait.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    pub(crate) fn map<K>(self, f: impl FnOnce(J) -> K) -> SubmitError<K> {
        SubmitError {
            pool: self.pool,
            name: self.name,
            reason: self.reason,
            delay: self.delay,
            job: f(self.job),
        }
    }

    /// Why the job was not accepted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How long jobs waited there at that time: the last that left the queue, or those
    /// that wait since, if that is longer. Told by pools that are
    /// [controlled](crate::overload); others do not look.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The name of the pool that did not accept it.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// The name of the job, if it was submitted with one.
    pub fn job_name(&self) -> Option<&str> {
        self.name
    }

    /// The job, unchanged.
    pub fn into_job(self) -> J {
        self.job
    }

    /// What there is to tell, and the job, unchanged.
    pub fn into_parts(self) -> (SubmitError<()>, J) {
        let mut job = None;
        let error = self.map(|own| job = Some(own));
        (error, job.expect("it was just put there"))
    }

    /// The same, and the job is dropped: an error that goes on by `?`, whatever the job
    /// is made of.
    pub fn without_job(self) -> SubmitError<()> {
        self.map(drop)
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("pool", &self.pool)
            .field("job_name", &self.name)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<J> fmt::Display for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "job {name:?}: ")?;
        }
        write!(f, "pool {:?} is {}", self.pool, self.reason)?;
        match self.delay {
            Some(delay) => write!(f, "; jobs waited there for {delay:?}"),
            None => Ok(()),
        }
    }
}

impl<J> std::error::Error for SubmitError<J> {}

/// A job that was not accepted after all, though others had made room for it
/// by then: workers or other submitters were quicker, or the pool was closed.
/// All of them come back.
pub struct DisplaceError<J> {
    rejected: SubmitError<J>,
    displaced: Vec<J>,
}

impl<J> DisplaceError<J> {
    pub(crate) fn new(rejected: SubmitError<J>, displaced: Vec<J>) -> Self {
        Self {
            rejected,
            displaced,
        }
    }

    /// Why the job was not accepted.
    pub fn reason(&self) -> Reason {
        self.rejected.reason
    }

    /// The name of the pool that did not accept it.
    pub fn pool(&self) -> &str {
        self.rejected.pool()
    }

    /// The job that was not accepted, and those that had made room, the oldest
    /// first; most often none.
    pub fn into_parts(self) -> (SubmitError<J>, Vec<J>) {
        (self.rejected, self.displaced)
    }
}

/// The job alone; those that had made room are dropped.
impl<J> From<DisplaceError<J>> for SubmitError<J> {
    fn from(error: DisplaceError<J>) -> Self {
        error.rejected
    }
}

impl<J> fmt::Debug for DisplaceError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisplaceError")
            .field("rejected", &self.rejected)
            .field("displaced", &self.displaced.len())
            .finish()
    }
}

impl<J> fmt::Display for DisplaceError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejected.fmt(f)
    }
}

impl<J> std::error::Error for DisplaceError<J> {}

/// A pool of threads that could not be built: the system gave no thread for its first
/// worker, without which a job might be accepted and never run.
#[derive(Debug, thiserror::Error)]
#[error("pool {pool:?} got no thread for its first worker")]
pub struct BuildError {
    pool: Arc<str>,
    source: io::Error,
}

impl BuildError {
    pub(crate) fn new(pool: &Arc<str>, source: io::Error) -> Self {
        let pool = Arc::clone(pool);
        Self { pool, source }
    }

    /// The name of the pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }
}

/// A close that did not end well: of which pool, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {pool:?}: {reason}")]
pub struct CloseError {
    pool: Arc<str>,
    reason: CloseReason,
}

/// Why a close did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The pool had been closed before.
    #[error("it is closed already")]
    Closed,
    /// Not every accepted job had ended within the limit. The pool stays
    /// closed and its workers go on with what is left.
    #[error("{unfinished} accepted jobs had not ended within the limit")]
    Late {
        /// Jobs accepted and neither ended nor given up when the limit passed.
        unfinished: usize,
    },
    /// A job closed its own pool, and so cannot wait for its end. The pool is
    /// closed, and drains without being waited for.
    #[error("a job of it closed it: it drains, and cannot be waited for")]
    Nested,
}

impl CloseError {
    pub(crate) fn new(pool: &Arc<str>, reason: CloseReason) -> Self {
        let pool = Arc::clone(pool);
        Self { pool, reason }
    }

    /// The name of the pool; of a [`MultiPool`](crate::MultiPool), that of the first of
    /// its pools of which this is true.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Why it did not end well.
    pub fn reason(&self) -> CloseReason {
        self.reason
    }
}

/// A pool that could not be opened again: which one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {pool:?} was not opened again: {reason}")]
pub struct ReopenError {
    pool: Arc<str>,
    reason: ReopenReason,
}

/// Why a pool could not be opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReopenReason {
    /// It was not closed.
    #[error("it is open")]
    Open,
    /// Jobs accepted before the close have not ended, or workers have not
    /// left.
    #[error("it has not drained yet")]
    Draining,
    /// The runtime of its workers was shut down.
    #[error("its runtime is gone")]
    NoRuntime,
    /// The system gave no thread for its first worker. The pool stays closed.
    #[error("the system gave no thread for its first worker")]
    NoThread,
}

impl ReopenError {
    pub(crate) fn new(pool: &Arc<str>, reason: ReopenReason) -> Self {
        let pool = Arc::clone(pool);
        Self { pool, reason }
    }

    /// The name of the pool.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Why it could not be opened.
    pub fn reason(&self) -> ReopenReason {
        self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::try_submit::BulkError;

    #[test]
    fn an_error_tells_the_delay_where_it_is_known() {
        let error = SubmitError::new(&Arc::from("api"), Reason::Full, ());
        assert_eq!(error.to_string(), r#"pool "api" is full"#);
        let error = error.after(Duration::from_millis(7));
        assert_eq!(
            error.to_string(),
            r#"pool "api" is full; jobs waited there for 7ms"#
        );
    }

    #[test]
    fn an_error_without_its_job_tells_all_that_it_told_with_it() {
        let error = || {
            let error = SubmitError::new(&Arc::from("api"), Reason::Closed, "job");
            error.named("shrink").after(Duration::from_millis(7))
        };
        let (told, job) = error().into_parts();
        let expected = r#"job "shrink": pool "api" is closed; jobs waited there for 7ms"#;
        assert_eq!((told.to_string().as_str(), job), (expected, "job"));
        let without = error().without_job();
        assert_eq!(format!("{without:?} {without}"), format!("{told:?} {told}"));
    }

    /// The job of each is `Send` and not `Sync`.
    #[test]
    fn an_error_without_its_job_goes_where_the_job_may_not() {
        use std::error::Error;

        type Anywhere = Box<dyn Error + Send + Sync>;
        let full = || SubmitError::new(&Arc::from("api"), Reason::Full, std::cell::Cell::new(1));
        let many = BulkError::new(0, full(), std::iter::empty());
        let displaced = DisplaceError::new(full(), Vec::new());
        let errors: [Anywhere; 3] = [
            full().without_job().into(),
            many.without_jobs().into(),
            displaced.into_parts().0.without_job().into(),
        ];
        for error in errors {
            assert_eq!(error.to_string(), r#"pool "api" is full"#);
        }
    }
}
