//! Which lines are let through.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError};

/// A filter of lines that makes sense, such as `info` or `rpc_demo=debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Filter(String);

/// Why a filter makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It says nothing.
    #[error("it is empty; to let nothing through say off")]
    Empty,
    /// A word that stands alone, and is no level.
    #[error(
        "{0:?} is no level (off, error, warn, info, debug, trace); a target has one: target=info"
    )]
    NoLevel(String),
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Filter {
    /// The filter that `text` says.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn new(text: impl Into<String>) -> Result<Self, FilterError> {
        let text = text.into();
        let mut parts = text.split(',').filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() {
            return Err(FilterError::Empty);
        }
        // A level with a letter wrong would be a target of which there are no lines.
        let is_wrong =
            |part: &&str| !part.contains(['=', '[']) && LevelFilter::from_str(part).is_err();
        if let Some(wrong) = parts.find(is_wrong) {
            return Err(FilterError::NoLevel(wrong.to_owned()));
        }
        EnvFilter::builder().parse(&text)?;
        Ok(Self(text))
    }

    pub(super) fn made(&self) -> EnvFilter {
        let parsed = EnvFilter::builder().parse(&self.0);
        parsed.expect("it made sense before")
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(text).map_err(|error| serde::de::Error::custom(format!("log filter: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_with_a_letter_wrong_is_no_target_and_nothing_is_no_filter() {
        for right in [
            "warn",
            "OFF",
            "info,rpc_demo::server=debug",
            "warn,[request]=debug",
            "rpc_demo=",
        ] {
            Filter::new(right).unwrap();
        }
        for (wrong, word) in [
            ("wran", "wran"),
            ("info,debgu", "debgu"),
            ("rpc_demo=debgu", "expected one of"),
            ("", "empty"),
            (",", "empty"),
        ] {
            let error = Filter::new(wrong).unwrap_err().to_string();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
}
