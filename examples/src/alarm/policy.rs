//! Alarm policies: what to watch, when it is wrong, and who is told.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, FromRepr, VariantNames};

use super::shield::Shield;

/// How a value is held against a threshold.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, FromRepr, Deserialize, Serialize,
)]
#[repr(u8)]
pub enum Comparison {
    /// Breached above the threshold.
    #[strum(serialize = ">")]
    #[serde(rename = ">")]
    Above,
    /// Breached at the threshold and above.
    #[strum(serialize = ">=")]
    #[serde(rename = ">=")]
    AtLeast,
    /// Breached below the threshold.
    #[strum(serialize = "<")]
    #[serde(rename = "<")]
    Below,
    /// Breached at the threshold and below.
    #[strum(serialize = "<=")]
    #[serde(rename = "<=")]
    AtMost,
}

impl Comparison {
    /// Whether `value` breaches `threshold`. A NaN never does.
    #[must_use]
    pub fn breached(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }
}

/// How bad it is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Display,
    EnumString,
    FromRepr,
    Deserialize,
    Serialize,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// To be looked at some day.
    Info,
    /// To be looked at today.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Level {
    /// The [priority](crate::urgency::PRIORITY) of calls that may raise such alarms.
    #[must_use]
    pub const fn priority(self) -> u8 {
        match self {
            Self::Critical => 10,
            Self::Warning => 20,
            Self::Info => 40,
        }
    }
}

/// A way to tell people.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Display,
    EnumString,
    EnumIter,
    VariantNames,
    Deserialize,
    Serialize,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ChannelKind {
    /// A file of JSON lines.
    Log,
    /// An HTTP receiver.
    Webhook,
    /// The last alarms, kept in memory.
    Memory,
}

/// A set of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelSet(u8);

impl ChannelSet {
    /// The set with `kind` added.
    #[must_use]
    pub fn with(self, kind: ChannelKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether `kind` is in the set.
    #[must_use]
    pub fn contains(self, kind: ChannelKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

impl FromIterator<ChannelKind> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = ChannelKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

/// Region, product and metric, as the numbers the store gave their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Number of the region's name.
    pub region: u16,
    /// Number of the product's name.
    pub product: u16,
    /// Number of the metric's name.
    pub metric: u16,
}

/// An instance, known by the 64-bit hash of its name.
///
/// Seven million names in twenty thousand scopes collide within a scope with
/// a probability of about 1e-10, and the names themselves would be the
/// greater part of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(u64);

impl Instance {
    /// The instance called `name`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        use std::hash::Hasher;
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(name.as_bytes());
        Self(hasher.finish())
    }

    /// Which of so many equal parts of all hashes it is in.
    pub(super) fn place_among(self, count: usize) -> usize {
        ((u128::from(self.0) * count as u128) >> 64) as usize
    }
}

/// One alarm policy, in the compact form of which the store holds millions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// What is watched.
    pub scope: Scope,
    /// Which instance; `None` is all of them.
    pub instance: Option<Instance>,
    /// How the value is held against the threshold.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// How many periods in a row must breach before it fires (at least 1).
    pub periods: u8,
    /// How bad it is.
    pub level: Level,
    /// Who is told.
    pub channels: ChannelSet,
    /// When nobody is told.
    pub shield: Shield,
}

/// A policy as people write it, in a config file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Region name.
    pub region: String,
    /// Product name.
    pub product: String,
    /// Metric name.
    pub metric: String,
    /// Instance name; left out means all instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// `>`, `>=`, `<` or `<=`.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Periods in a row that must breach.
    #[serde(default = "one")]
    pub periods: std::num::NonZeroU8,
    /// `info`, `warning` or `critical`.
    pub level: Level,
    /// Any of `log`, `webhook`, `memory`.
    pub channels: Vec<ChannelKind>,
    /// When nobody is told.
    #[serde(default)]
    pub shield: Shield,
}

fn one() -> std::num::NonZeroU8 {
    std::num::NonZeroU8::MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_differ_at_the_threshold_and_ignore_nan() {
        use Comparison::{Above, AtLeast, AtMost, Below};
        let all = [Above, AtLeast, Below, AtMost];
        assert_eq!(
            all.map(|c| c.breached(2.0, 1.0)),
            [true, true, false, false]
        );
        assert_eq!(
            all.map(|c| c.breached(1.0, 1.0)),
            [false, true, false, true]
        );
        assert_eq!(
            all.map(|c| c.breached(0.0, 1.0)),
            [false, false, true, true]
        );
        assert_eq!(all.map(|c| c.breached(f64::NAN, 1.0)), [false; 4]);
    }

    #[test]
    fn a_channel_set_holds_what_was_put_in() {
        let set: ChannelSet = [ChannelKind::Log, ChannelKind::Memory]
            .into_iter()
            .collect();
        assert!(set.contains(ChannelKind::Log) && set.contains(ChannelKind::Memory));
        assert!(!set.contains(ChannelKind::Webhook));
    }
}
