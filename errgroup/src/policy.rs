//! When there is enough, and what that does.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::report::Outcome;

/// When a [`Gather`](crate::Gather) has enough, and cancels the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// At the first error or panic (Go: `errgroup`; Java: `allSuccessfulOrThrow`).
    #[default]
    FirstError,
    /// Never: every task comes to its own end (conc: `ResultErrorGroup`).
    All,
    /// At the first success; failures before it are only kept (Java:
    /// `anySuccessfulOrThrow`; JavaScript: `Promise.any`).
    FirstSuccess,
    /// At so many successes.
    Any(usize),
}

/// The policy at work: what each task came to, and what follows from it.
#[derive(Debug)]
pub(crate) struct Tally {
    policy: Policy,
    successes: AtomicUsize,
}

/// What follows from how a task ended.
pub(crate) enum Then {
    GoOn,
    /// The task's failure is everybody's.
    Fail,
    /// No more is wanted.
    Enough,
}

impl Tally {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            successes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    pub(crate) fn judge<T, E>(&self, outcome: &Outcome<T, E>) -> Then {
        match (outcome, self.policy) {
            (Outcome::Done(_), Policy::FirstSuccess) => Then::Enough,
            (Outcome::Done(_), Policy::Any(enough)) => {
                // Relaxed: a count; one task alone finds it full.
                if self.successes.fetch_add(1, Relaxed) + 1 >= enough {
                    Then::Enough
                } else {
                    Then::GoOn
                }
            }
            (Outcome::Failed(_) | Outcome::Panicked(_), Policy::FirstError) => Then::Fail,
            _ => Then::GoOn,
        }
    }
}
