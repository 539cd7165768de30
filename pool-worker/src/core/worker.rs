//! A worker as the core knows it, and what the core tells it.

use crate::queued::Queued;

/// What a worker is to do.
#[derive(Debug)]
pub enum Next<J> {
    /// Run this job.
    Run(Queued<J>),
    /// End: the pool is closed and no job is left. The worker is counted no more.
    End,
}

/// What a worker holds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    /// A job that is not done, and its place.
    Job,
    /// The place of a job that is done, until the worker asks for the next.
    Place,
    /// Not even its own count: it was told to end.
    NoCount,
}

/// A worker, as the core knows it.
#[derive(Debug)]
pub struct Worker {
    pub(super) id: u64,
    pub(super) holds: Holds,
    /// It has parked, and does not know whether it was woken or is idle still.
    pub(super) parked: bool,
}

impl Worker {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            holds: Holds::Nothing,
            parked: false,
        }
    }

    /// Its job has ended, well or not. The place is given back together with
    /// the question for the next job, which saves a lock.
    pub fn job_ended(&mut self) {
        self.holds = Holds::Place;
    }
}
