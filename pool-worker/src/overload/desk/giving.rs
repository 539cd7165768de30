//! Jobs that are not run are given back, and the pool behind has not come to its end
//! before. A worker that gives one back has yet to end the token that it came with; for who
//! is none, the end is held up.

use std::time::Duration;

use super::{Desk, Job};
use crate::overload::{Unserved, WhyUnserved};

/// The end of a pool is held up while jobs are given back.
pub(crate) trait HoldEnd: Send + Sync {
    /// For so many more.
    fn hold(&self, jobs: u32);
    /// For one less.
    fn release(&self);
}

impl<T> Desk<T> {
    /// To be told before the first job.
    pub(crate) fn holds_up(&self, end: Box<dyn HoldEnd>) {
        let told = self.end.set(end);
        debug_assert!(told.is_ok(), "told once");
    }

    /// Under the lock under which the jobs were taken: a worker that finds none of them
    /// comes after it.
    pub(super) fn hold_end(&self, jobs: usize) {
        if jobs > 0
            && let Some(end) = self.end.get()
        {
            end.hold(u32::try_from(jobs).expect("a queue is bounded"));
        }
    }

    /// Of those that the end is held up for.
    pub(super) fn give_back_held(&self, job: Job<T>, why: WhyUnserved, now: Duration) {
        self.give_back(job, why, now);
        if let Some(end) = self.end.get() {
            end.release();
        }
    }

    pub(super) fn give_back(&self, job: Job<T>, why: WhyUnserved, now: Duration) {
        let delay = now.saturating_sub(job.accepted_at);
        let (carried, class) = job.job;
        carried.run(|job| {
            (self.unserved)(Unserved {
                job,
                class,
                why,
                delay,
            });
        });
    }
}
