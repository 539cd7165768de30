//! Figures of a group.

/// How many tasks are where, at one moment; see
/// [`Group::stats`](crate::Group::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that hold a slot: running, or about to.
    pub running: usize,
    /// Tasks that wait in the group for a slot.
    pub pending: usize,
    /// Callers that wait in `spawn_wait`, each with its task.
    pub waiting: usize,
    /// Tasks that were dropped unstarted because of the cancel, since the
    /// beginning. Those given back to their callers are not counted.
    pub not_started: usize,
    /// Tasks that returned an error or panicked, since the beginning.
    pub failed: usize,
}
