//! A job on its way from its submitter to its worker.

use crate::clock::Stamp;
use crate::span::Span;

/// A job, when it came, and from which span.
#[derive(Debug)]
pub struct Queued<J> {
    pub(crate) job: J,
    pub(crate) span: Span,
    pub(crate) submitted: Stamp,
    pub(crate) accepted: Stamp,
}

impl<J> Queued<J> {
    /// A job that is submitted now, by whoever calls.
    pub(crate) fn new(job: J) -> Self {
        let now = Stamp::now();
        Self {
            job,
            span: Span::current(),
            submitted: now,
            accepted: now,
        }
    }

    /// The job alone, for a loom model to look at.
    #[cfg(loom_models)]
    pub fn into_job(self) -> J {
        self.job
    }
}
