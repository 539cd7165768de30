//! What was told a short while ago is not told again.

use super::message::AlarmState;
use super::policy::Instance;
use super::store::PolicyId;
use super::table::AgeingTable;

/// An alarm, by its policy and instance.
pub type AlarmKey = (PolicyId, Instance);

/// Remembers what was told, and when.
#[derive(Debug)]
pub struct Dedup {
    told: AgeingTable<AlarmKey, (AlarmState, u64)>,
    window_ms: u64,
}

impl Dedup {
    /// The same state of the same alarm is a duplicate for `window_ms`
    /// milliseconds; a change of state never is.
    #[must_use]
    pub fn new(window_ms: u64) -> Self {
        Self {
            told: AgeingTable::new(window_ms),
            window_ms,
        }
    }

    /// Whether this is to be told; if so, it counts as told from now on.
    pub fn admit(&self, key: AlarmKey, state: AlarmState, now_ms: u64) -> bool {
        self.told.update(key, now_ms, |told| match told {
            Some((last, at)) if *last == state && now_ms.saturating_sub(*at) < self.window_ms => {
                false
            }
            _ => {
                *told = Some((state, now_ms));
                true
            }
        })
    }

    /// Takes an admission back, because telling failed.
    pub fn forget(&self, key: AlarmKey, now_ms: u64) {
        self.told.update(key, now_ms, |told| *told = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlarmState::{Firing, Recovered};

    #[test]
    fn tells_a_state_once_a_window_and_every_change() {
        let dedup = Dedup::new(1_000);
        let key = (7, Instance::named("a"));
        assert!(dedup.admit(key, Firing, 0));
        assert!(!dedup.admit(key, Firing, 999));
        assert!(
            dedup.admit(key, Firing, 1_000),
            "the window counts from the last time told"
        );
        assert!(dedup.admit(key, Recovered, 1_001));
        assert!(dedup.admit(key, Firing, 1_002));
        assert!(dedup.admit((7, Instance::named("b")), Firing, 1_002));
    }

    #[test]
    fn what_could_not_be_told_is_told_next_time() {
        let dedup = Dedup::new(1_000);
        let key = (7, Instance::named("a"));
        assert!(dedup.admit(key, Firing, 0));
        dedup.forget(key, 1);
        assert!(dedup.admit(key, Firing, 2));
    }
}
