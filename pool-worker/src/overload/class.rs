//! What a pool is told of a job beside the job.

use std::time::Instant;

use super::dagor::Level;

/// How many priorities there are.
pub(super) const PRIORITIES: usize = 64;

/// How urgent a job is, whose it is, and until when it is of use.
///
/// What the pool's [`Control`](super::Control) does not ask for has no effect. Who gets a
/// job back ([`Unserved::class`](super::Unserved::class)) can read what it was:
///
/// ```
/// use pool_worker::overload::Class;
///
/// let class = Class::new().priority(3).key(17);
/// assert_eq!((class.get_priority(), class.get_key()), (3, 17));
/// assert_eq!((class.get_cost(), class.get_deadline()), (1, None));
/// ```
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

    /// The [priority](Self::priority), 0 to 63.
    #[must_use]
    pub const fn get_priority(&self) -> u8 {
        self.priority
    }

    /// The hash of the [user](Self::user); 0 by default.
    #[must_use]
    pub const fn get_user(&self) -> u64 {
        self.user
    }

    /// The [key](Self::key); 0 by default.
    #[must_use]
    pub const fn get_key(&self) -> u64 {
        self.key
    }

    /// The [cost](Self::cost), at least 1.
    #[must_use]
    pub const fn get_cost(&self) -> u8 {
        self.cost
    }

    /// The [deadline](Self::deadline), if there is one.
    #[must_use]
    pub const fn get_deadline(&self) -> Option<Instant> {
        self.deadline
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
            assert_eq!(Class::new().priority(told).get_priority(), counts);
        }
    }

    #[test]
    fn a_class_tells_what_it_was_made_of() {
        let at = Instant::now();
        let class = Class::new().priority(3).user(5).key(7).cost(0).deadline(at);
        let told = (class.get_priority(), class.get_user(), class.get_key());
        assert_eq!(told, (3, 5, 7));
        assert_eq!((class.get_cost(), class.get_deadline()), (1, Some(at)));
    }
}
