//! Log lines, to standard error.

use tracing_subscriber::filter::{EnvFilter, ParseError};

use crate::cli::LogFormat;

/// Logs what `filter` lets through. To be called once.
///
/// # Errors
/// When the filter makes no sense.
pub fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse(filter)?)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
