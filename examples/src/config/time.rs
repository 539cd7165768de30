//! Times as people say them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest time: clocks can tell what it comes to, whatever is added to it.
const MOST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A time, such as `10s` or `2m`, of ten years at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = humantime::parse_duration(text)?;
        (time <= MOST).then_some(Self(time)).ok_or(TimeError::Long)
    }
}

/// Why it is no time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// It is not said as one.
    #[error(transparent)]
    Text(#[from] humantime::DurationError),
    /// Nobody waits for so long.
    #[error("more than 3650 days")]
    Long,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error| {
            let message = format!("{text:?} is no time such as 10s or 2m: {error}");
            serde::de::Error::custom(message)
        })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// For fields that are durations to everybody else.
pub(super) fn in_words<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    Time(*time).serialize(to)
}
