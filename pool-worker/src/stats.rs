//! The figures of a pool.

use crate::rejections::Rejections;

/// The figures of a pool at one moment.
///
/// What is counted never goes back, and is exact once the pool is idle. While it works
/// the figures are of moments during the call, and so may be a few jobs apart. A worker
/// reports that a job has ended as it takes the next or finds none; until then the job
/// counts as running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs accepted since the pool was built.
    pub submitted: u64,
    /// Jobs that ran to their end.
    pub ran: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Accepted jobs that were dropped before their end: cancelled by their
    /// handle, or because the runtime that ran the workers was shut down.
    pub cancelled: u64,
    /// Accepted jobs that made room for a newer one.
    pub displaced: u64,
    /// Accepted jobs that waited for too long under [overload](crate::overload).
    pub shed: u64,
    /// Accepted jobs whose [deadline](crate::overload::Class::deadline) passed.
    pub expired: u64,
    /// Jobs given back to the submitter, for whichever reason; by a
    /// [sub-pool](crate::threads::SubPool) of this one too.
    pub rejected: u64,
    /// The same by reason.
    pub rejected_by: Rejections,
    /// Jobs accepted and not yet started.
    pub queued: usize,
    /// Jobs running.
    pub running: usize,
    /// Workers without a job.
    pub idle: usize,
    /// Submitters blocked because the pool is full, or one of its sub-pools.
    pub waiting: usize,
    /// Workers, with a job or without; those too that are at their
    /// [hooks](crate::Builder::on_worker_stop), before the first job or after the last.
    pub workers: usize,
    /// The most jobs that run at once; `usize::MAX` in a pool without a limit.
    pub capacity: usize,
}

impl std::iter::Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), |sum, one| Self {
            submitted: sum.submitted + one.submitted,
            ran: sum.ran + one.ran,
            panicked: sum.panicked + one.panicked,
            cancelled: sum.cancelled + one.cancelled,
            displaced: sum.displaced + one.displaced,
            shed: sum.shed + one.shed,
            expired: sum.expired + one.expired,
            rejected: sum.rejected + one.rejected,
            rejected_by: sum.rejected_by.plus(&one.rejected_by),
            queued: sum.queued + one.queued,
            running: sum.running + one.running,
            idle: sum.idle + one.idle,
            waiting: sum.waiting + one.waiting,
            workers: sum.workers + one.workers,
            capacity: sum.capacity.saturating_add(one.capacity),
        })
    }
}

impl Stats {
    /// Jobs that could start at once: `Free` of `ants`.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity.saturating_sub(self.running)
    }
}
