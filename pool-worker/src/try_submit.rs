//! Submitting that never waits, in one word for every pool.

use std::fmt;

use crate::error::{Reason, SubmitError};

/// A pool that accepts jobs `J` at once or not at all; so code can be written
/// for any of them.
pub trait TrySubmit<J> {
    /// Accepts a job, or fails at once.
    ///
    /// # Errors
    /// [`Reason::Full`] and [`Reason::Closed`]; with the job.
    fn try_submit(&self, job: J) -> Result<(), SubmitError<J>>;

    /// As [`try_submit`](Self::try_submit), for who will try elsewhere: a
    /// refusal is not counted.
    #[doc(hidden)]
    fn offer(&self, job: J) -> Result<(), SubmitError<J>>;

    /// Accepts jobs in order for as long as there is room. Says how many.
    ///
    /// # Errors
    /// Those from the first that was not accepted on: all that the iterator has, which
    /// therefore has to end.
    fn try_submit_all(&self, jobs: impl IntoIterator<Item = J>) -> Result<usize, BulkError<J>> {
        submit_all(jobs, |job| self.try_submit(job))
    }
}

pub(crate) fn submit_all<J>(
    jobs: impl IntoIterator<Item = J>,
    submit: impl Fn(J) -> Result<(), SubmitError<J>>,
) -> Result<usize, BulkError<J>> {
    let mut accepted = 0;
    let mut jobs = jobs.into_iter();
    while let Some(job) = jobs.next() {
        match submit(job) {
            Ok(()) => accepted += 1,
            Err(error) => return Err(BulkError::new(accepted, error, jobs)),
        }
    }
    Ok(accepted)
}

/// Of many jobs, those that were not accepted, and why. They come back with it.
pub struct BulkError<J> {
    accepted: usize,
    first: SubmitError<()>,
    jobs: Vec<J>,
}

impl<J> BulkError<J> {
    pub(crate) fn new(
        accepted: usize,
        error: SubmitError<J>,
        rest: impl Iterator<Item = J>,
    ) -> Self {
        let mut jobs = Vec::with_capacity(rest.size_hint().0 + 1);
        let first = error.map(|job| jobs.push(job));
        jobs.extend(rest);
        Self {
            accepted,
            first,
            jobs,
        }
    }

    /// How many were accepted: those that came first.
    pub fn accepted(&self) -> usize {
        self.accepted
    }

    /// Why the first that is here was not accepted.
    pub fn reason(&self) -> Reason {
        self.first.reason()
    }

    /// The name of the pool that did not accept it.
    pub fn pool(&self) -> &str {
        self.first.pool()
    }

    /// The jobs that were not accepted, in order.
    pub fn into_jobs(self) -> Vec<J> {
        self.jobs
    }

    /// Why the first that is here was not accepted; the jobs are dropped. An error that
    /// goes on by `?`: see [`SubmitError`].
    pub fn without_jobs(self) -> SubmitError<()> {
        self.first
    }
}

impl<J> fmt::Debug for BulkError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkError")
            .field("accepted", &self.accepted)
            .field("rejected", &self.jobs.len())
            .field("first", &self.first)
            .finish()
    }
}

impl<J> fmt::Display for BulkError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rejected, first) = (self.jobs.len(), &self.first);
        write!(f, "{rejected} jobs were not accepted: {first}")
    }
}

impl<J> std::error::Error for BulkError<J> {}
