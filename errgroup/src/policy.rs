//! When there is enough, and what that does.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::report::{Outcome, Unsent};

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
    /// At so many successes; with 0 from the beginning, so that nothing starts.
    Any(usize),
}

/// The policy at work: what each task came to, and what follows from it.
#[derive(Debug)]
pub(crate) struct Tally {
    policy: Policy,
    successes: AtomicUsize,
}

/// What follows from how a task ended.
enum Then {
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

    /// Tells how a task ended, and does what follows: what comes back is its end as
    /// one of a group, whose error is the task's index.
    pub(crate) fn conclude<T, E>(
        &self,
        outcome: Outcome<T, E>,
        report: &mut Unsent<T, E>,
        cancel: impl FnOnce(),
    ) -> Result<(), usize> {
        let (then, index) = (self.judge(&outcome), report.index());
        report.send(outcome);
        match then {
            Then::GoOn => {}
            Then::Fail => return Err(index),
            Then::Enough => cancel(),
        }
        Ok(())
    }

    fn judge<T, E>(&self, outcome: &Outcome<T, E>) -> Then {
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
