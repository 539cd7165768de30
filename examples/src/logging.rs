//! Log lines, to standard error, and how much of them, which can be changed while
//! they are written.

use std::sync::OnceLock;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::LogFormat;

/// What lets lines through, once there is a log.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why what is logged was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// What was sent is no filter.
    #[error("wanted is {{\"filter\": \"...\"}}: {0}")]
    Body(String),
    /// The filter makes no sense.
    #[error("log filter: {0}")]
    Filter(#[from] ParseError),
    /// There is no log.
    #[error("nothing is logged here")]
    NoLog,
}

/// Logs what `filter` lets through. To be called once.
///
/// # Errors
/// When the filter makes no sense.
pub fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    // The first one stays, as the subscriber does.
    let _ = FILTER.set(handle);
    Ok(())
}

/// What is let through.
///
/// # Errors
/// When there is no log.
pub fn filter() -> Result<String, LevelError> {
    let handle = FILTER.get().ok_or(LevelError::NoLog)?;
    let filter = handle.with_current(ToString::to_string);
    filter.map_err(|_gone| LevelError::NoLog)
}

/// Logs what `filter` lets through, from now on.
///
/// # Errors
/// When it makes no sense, or there is no log; then nothing changes.
pub fn set_filter(filter: &str) -> Result<(), LevelError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let handle = FILTER.get().ok_or(LevelError::NoLog)?;
    handle.reload(filter).map_err(|_gone| LevelError::NoLog)
}
