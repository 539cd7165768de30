//! What a pool did, and does.

/// Figures of a pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs accepted since the start.
    pub submitted: u64,
    /// Jobs that ran to their end.
    pub ran: u64,
    /// Jobs that panicked.
    pub panicked: u64,
    /// Jobs given back to their submitter.
    pub rejected: u64,
    /// Accepted jobs that were never run, or not to their end, because their
    /// runtime went away.
    pub dropped: u64,
    /// Jobs that wait for a worker now.
    pub queued: usize,
    /// Jobs being run now.
    pub running: usize,
    /// Submitters that wait now (ants: `Waiting`).
    pub waiting: usize,
    /// Workers, busy and idle (ants: `Running`).
    pub workers: usize,
    /// Workers without a job now.
    pub idle: usize,
    /// Jobs that may run at once (ants: `Cap`).
    pub capacity: usize,
}
