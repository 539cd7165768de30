//! What was told a short while ago is not told again, and what is over is not told at all.

use super::message::AlarmState;
use super::policy::Instance;
use super::store::PolicyId;
use super::table::AgeingTable;

/// An alarm, by its policy and instance.
pub type AlarmKey = (PolicyId, Instance);

/// Why an alarm is not to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was told already a short while ago.
    Duplicate,
    /// A later state of it came before.
    Stale,
}

/// Remembers what was told, and when.
#[derive(Debug)]
pub struct Dedup {
    last: AgeingTable<AlarmKey, Last>,
    window_ms: u64,
}

/// The latest state of an alarm that came.
#[derive(Debug)]
struct Last {
    state: AlarmState,
    sequence: u64,
    /// When it was admitted; `None` when nobody could be told.
    told_ms: Option<u64>,
}

impl Dedup {
    /// The same state of the same alarm is a duplicate for `window_ms`
    /// milliseconds; a change of state never is.
    #[must_use]
    pub fn new(window_ms: u64) -> Self {
        Self {
            last: AgeingTable::new(window_ms),
            window_ms,
        }
    }

    /// Calls `tell` if this is to be told; it then counts as told from now on. `sequence`
    /// says which states came before it; 0 is not known.
    ///
    /// The alarm is locked until `tell` returns, so that its states are told in the order in
    /// which they were admitted; `tell` must not come back here.
    ///
    /// # Errors
    /// When it is not to be told.
    pub fn admit<R>(
        &self,
        key: AlarmKey,
        (state, sequence): (AlarmState, u64),
        now_ms: u64,
        tell: impl FnOnce() -> R,
    ) -> Result<R, Refusal> {
        self.last.update(key, now_ms, |last| {
            let mut newest = sequence;
            if let Some(last) = last {
                if sequence != 0 && sequence < last.sequence {
                    return Err(Refusal::Stale);
                }
                newest = newest.max(last.sequence);
                if let Some(told_ms) = last.told_ms {
                    let again = sequence != 0 && sequence == last.sequence;
                    let recent = now_ms.saturating_sub(told_ms) < self.window_ms;
                    if again || (last.state == state && recent) {
                        last.sequence = newest;
                        return Err(Refusal::Duplicate);
                    }
                }
            }
            *last = Some(Last {
                state,
                sequence: newest,
                told_ms: Some(now_ms),
            });
            Ok(tell())
        })
    }

    /// Takes the admission of `state` at `told_ms` back, because telling failed. What was
    /// admitted since is left alone.
    pub fn forget(&self, key: AlarmKey, state: AlarmState, told_ms: u64) {
        self.last.update(key, told_ms, |last| match last {
            Some(last) if last.state == state && last.told_ms == Some(told_ms) => {
                last.told_ms = None;
            }
            _ => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlarmState::{Firing, Recovered};

    const TOLD: Result<(), Refusal> = Ok(());

    fn key() -> AlarmKey {
        (7, Instance::named("a"))
    }

    fn admit(dedup: &Dedup, state: AlarmState, sequence: u64, now_ms: u64) -> Result<(), Refusal> {
        dedup.admit(key(), (state, sequence), now_ms, || ())
    }

    #[test]
    fn tells_a_state_once_a_window_and_every_change() {
        let dedup = Dedup::new(1_000);
        assert_eq!(admit(&dedup, Firing, 0, 0), TOLD);
        assert_eq!(admit(&dedup, Firing, 0, 999), Err(Refusal::Duplicate));
        assert_eq!(
            admit(&dedup, Firing, 0, 1_000),
            TOLD,
            "the window counts from the last time told"
        );
        assert_eq!(admit(&dedup, Recovered, 0, 1_001), TOLD);
        assert_eq!(admit(&dedup, Firing, 0, 1_002), TOLD);
        let other = (7, Instance::named("b"));
        assert_eq!(dedup.admit(other, (Firing, 0), 1_002, || ()), TOLD);
    }

    #[test]
    fn what_could_not_be_told_is_told_next_time() {
        let dedup = Dedup::new(1_000);
        assert_eq!(admit(&dedup, Firing, 1, 0), TOLD);
        dedup.forget(key(), Firing, 0);
        assert_eq!(
            admit(&dedup, Firing, 1, 2),
            TOLD,
            "not even when sent again"
        );
        assert_eq!(admit(&dedup, Recovered, 2, 3), TOLD);
        dedup.forget(key(), Firing, 2);
        assert_eq!(
            admit(&dedup, Recovered, 3, 4),
            Err(Refusal::Duplicate),
            "what came since was told"
        );
    }

    #[test]
    fn a_state_that_is_over_is_not_told_whatever_became_of_the_later_ones() {
        let dedup = Dedup::new(1_000);
        assert_eq!(admit(&dedup, Firing, 5, 0), TOLD);
        assert_eq!(admit(&dedup, Firing, 5, 5_000), Err(Refusal::Duplicate));
        assert_eq!(admit(&dedup, Firing, 7, 1), Err(Refusal::Duplicate));
        assert_eq!(admit(&dedup, Recovered, 6, 2), Err(Refusal::Stale));
        assert_eq!(admit(&dedup, Recovered, 8, 3), TOLD);
        dedup.forget(key(), Recovered, 3);
        assert_eq!(admit(&dedup, Firing, 7, 4), Err(Refusal::Stale));
    }
}
