//! What one worker records of the jobs that it runs.

use crate::delay::Histogram;

/// Written by a worker, or a few; read by whoever wants figures.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// From the call of submit to the acceptance of the job.
    pub(crate) blocked: Histogram,
    /// From the acceptance of the job to its start.
    pub(crate) delay: Histogram,
    /// From its start to its end.
    pub(crate) run: Histogram,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            blocked: Histogram::new(),
            delay: Histogram::new(),
            run: Histogram::new(),
        }
    }
}
