//! Shield times: when a policy's alarms are kept from people.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, FromRepr, VariantNames};

const DAY: u64 = 24 * 60 * 60;

/// How a policy's shield time is meant (`ShieldTimeType` of the notes).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Display,
    EnumString,
    FromRepr,
    VariantNames,
    Serialize,
    Deserialize,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ShieldTimeType {
    /// No shield: every alarm is told.
    #[default]
    Invalid = 0,
    /// Never told.
    Forever = 1,
    /// Not told between two moments, in seconds since the Unix epoch.
    Absolute = 2,
    /// Not told between two times of every day, in seconds since midnight UTC.
    Loop = 3,
}

/// The shield time of a policy. `from` is inside, `to` is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shield {
    /// What `from` and `to` mean.
    #[serde(rename = "type")]
    pub kind: ShieldTimeType,
    /// Start, in seconds (since the epoch, or since midnight).
    #[serde(default)]
    pub from: u32,
    /// End, in seconds (since the epoch, or since midnight).
    #[serde(default)]
    pub to: u32,
}

impl Shield {
    /// Whether an alarm at `unix_seconds` is shielded.
    ///
    /// A loop whose end is before its start goes on over midnight.
    #[must_use]
    pub fn covers(&self, unix_seconds: u64) -> bool {
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        match self.kind {
            ShieldTimeType::Invalid => false,
            ShieldTimeType::Forever => true,
            ShieldTimeType::Absolute => (from..to).contains(&unix_seconds),
            ShieldTimeType::Loop => {
                let second = unix_seconds % DAY;
                if from <= to {
                    (from..to).contains(&second)
                } else {
                    second >= from || second < to
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shield(kind: ShieldTimeType, from: u32, to: u32) -> Shield {
        Shield { kind, from, to }
    }

    #[test]
    fn invalid_never_covers_and_forever_always_does() {
        assert!(!Shield::default().covers(0));
        assert!(shield(ShieldTimeType::Forever, 0, 0).covers(u64::MAX));
    }

    #[test]
    fn absolute_covers_from_its_start_up_to_its_end() {
        let night = shield(ShieldTimeType::Absolute, 100, 200);
        assert_eq!(
            [99, 100, 199, 200].map(|t| night.covers(t)),
            [false, true, true, false]
        );
    }

    #[test]
    fn loop_comes_back_every_day_and_may_cross_midnight() {
        let night = shield(ShieldTimeType::Loop, 22 * 3600, 6 * 3600);
        let day = 20_000 * DAY;
        assert!(night.covers(day + 23 * 3600));
        assert!(night.covers(day + DAY + 5 * 3600));
        assert!(!night.covers(day + 6 * 3600));
        let lunch = shield(ShieldTimeType::Loop, 12 * 3600, 13 * 3600);
        assert!(lunch.covers(day + 12 * 3600));
        assert!(!lunch.covers(day + 13 * 3600));
    }

    #[test]
    fn names_are_those_of_the_notes() {
        assert_eq!("loop".parse(), Ok(ShieldTimeType::Loop));
        assert_eq!(ShieldTimeType::Absolute.to_string(), "absolute");
        assert_eq!(ShieldTimeType::from_repr(1), Some(ShieldTimeType::Forever));
    }
}
