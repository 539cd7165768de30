//! The job of a function pool whose function has a result.

use std::fmt;

use crate::handle::Report;
use crate::job_error::JobFailure;
use crate::overload::Unserved;

/// An argument whose result somebody waits for: the job of a pool made by
/// `build_calls`. Dropped, it tells its handle that it was cancelled.
pub struct Call<T, R> {
    pub(crate) job: T,
    pub(crate) report: Report<R>,
}

impl<T, R> Call<T, R> {
    /// The argument, as from a call that was displaced. Its handle tells that.
    pub fn into_job(self) -> T {
        self.report.displaced();
        self.job
    }
}

impl<T, R> Call<T, R> {
    /// What a controlled pool does not run.
    pub(crate) fn back(unserved: Unserved<Self>) {
        let Unserved {
            job, why, delay, ..
        } = unserved;
        job.report.not_run(JobFailure::Unserved { why, delay });
    }
}

impl<T, R> fmt::Debug for Call<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
