//! What a pool is told of a job beside the job.

use std::time::Instant;

use super::dagor::Level;

/// How many priorities there are.
pub(super) const PRIORITIES: usize = 64;

/// How urgent a job is, whose it is, and until when it is of use.
///
/// What the pool's [`Control`](super::Control) does not ask for has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub(super) priority: u8,
    pub(super) user: u64,
    pub(super) key: u64,
    pub(super) cost: u8,
    pub(super) deadline: Option<Instant>,
}

impl Default for Class {
    fn default() -> Self {
        Self::new()
    }
}

impl Class {
    /// The most urgent, of nobody in particular, for ever.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            priority: 0,
            user: 0,
            key: 0,
            cost: 1,
            deadline: None,
        }
    }

    /// The priority, 0 to 63 from the most urgent on; 0 by default. What is more
    /// counts as 63.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        let least = PRIORITIES as u8 - 1;
        self.priority = if priority > least { least } else { priority };
        self
    }

    /// A hash of the user whom the job is for: where only some of a priority can be
    /// let in, a user is or is not, and not now and then.
    #[must_use]
    pub const fn user(mut self, hash: u64) -> Self {
        self.user = hash;
        self
    }

    /// Whose share of the pool the job takes, where shares are
    /// [fair](super::Control::fair): a tenant, a connection.
    #[must_use]
    pub const fn key(mut self, key: u64) -> Self {
        self.key = key;
        self
    }

    /// How much of the share it takes; 1 by default, and at least.
    #[must_use]
    pub const fn cost(mut self, cost: u8) -> Self {
        self.cost = if cost == 0 { 1 } else { cost };
        self
    }

    /// When nobody waits for it any more. A job that has not started by then is not
    /// run, and is given back though no worker comes for it, as where all are stuck or the
    /// pool is paused: by whoever submits next, who gives back all that has expired,
    /// wherever it waits, or else by the alarm of the pool. That is a thread. It begins
    /// with the first job that has a deadline, sleeps until the earliest, and ends with
    /// the pool; where the system gives none, it is asked for one again later.
    #[must_use]
    pub const fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The priority as it is admitted.
    #[must_use]
    pub const fn level(&self) -> Level {
        Level::of(self.priority, self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_less_urgent_than_the_least_counts_as_that() {
        for (told, counts) in [(0, 0), (63, 63), (64, 63), (255, 63)] {
            assert_eq!(Class::new().priority(told).priority, counts);
        }
    }
}
