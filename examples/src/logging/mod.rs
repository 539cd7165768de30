//! The log: several sinks, each with a level and a format of its own, none of which
//! a handler waits for.
//!
//! As zap has a `Logger` and a `SugaredLogger`, `tracing` has two ways to say the
//! same; any sink takes both, and a line may use both:
//!
//! ```
//! let (service, took) = ("Echo", std::time::Duration::from_millis(3));
//! // Structured: fields with names and types, which machines filter by.
//! tracing::info!(service, took_us = took.as_micros(), "request ended");
//! // Sugared: a sentence, as printf would write it.
//! tracing::info!("{service} took {took:?}");
//! ```
//!
//! A line's way: the filter of each sink, its formatter, its bounded queue, the
//! thread that writes it. A queue that is full drops the line and counts it. What was
//! accepted is written before [`Flush`] is gone. What could be said a thousand times a
//! second goes through [`sampled!`](crate::sampled).

mod filter;
mod ring;
mod rolling;
mod sampler;
mod sink;
mod spec;
mod writer;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use filter::{Filter, FilterError};
pub use sampler::{Sampler, suppressed};
pub use spec::{LogFormat, Rotation, SinkError, SinkKind, SinkSpec};

use ring::Ring;
use sink::Sink;
use writer::Writer;

/// How long sinks that are stuck are waited for at the end, all together.
const FLUSH: Duration = Duration::from_secs(3);

/// The log of this process, once there is one.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    sinks: Vec<Sink>,
    ring: Option<Ring>,
    /// Of the sinks that others wait for; none once they have been flushed.
    writers: Mutex<Vec<Writer>>,
}

/// Why what is logged was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// What was sent is no filter.
    #[error("wanted is {{\"filter\": \"...\"}}, and \"sink\" if only one is meant: {0}")]
    Body(String),
    /// The filter makes no sense.
    #[error("log filter: {0}")]
    Filter(#[from] FilterError),
    /// There is no such sink.
    #[error("nothing is logged to {0:?}")]
    NoSink(String),
    /// There is no log.
    #[error("nothing is logged here")]
    NoLog,
}

/// Lines that a sink could not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The sink's name.
    pub sink: String,
    /// Because too many waited to be written.
    pub full: u64,
    /// Because the writing failed.
    pub failed: u64,
}

/// Writes what the log has accepted before it is gone: to be kept to the end.
#[derive(Debug)]
#[must_use]
pub struct Flush(());

impl Drop for Flush {
    /// Blocks until the sinks have written what they had accepted; for at most three
    /// seconds, when one is stuck.
    fn drop(&mut self) {
        let Some(log) = LOG.get() else { return };
        let writers = std::mem::take(&mut *log.writers.lock());
        let end = Instant::now() + FLUSH;
        for writer in writers {
            writer.finish(end);
        }
    }
}

/// Logs to `sinks`. To be called once; a second call changes nothing.
///
/// # Errors
/// When a sink cannot be had; then nothing is logged.
pub fn start(sinks: &[SinkSpec]) -> Result<Flush, SinkError> {
    // The formatters of text share what they make of a span's fields: with colours
    // for a terminal, these would be in the files as well.
    let colours = sinks.iter().filter(|sink| sink.is_text()).count() == 1;
    let mut log = Log {
        sinks: Vec::new(),
        ring: None,
        writers: Mutex::default(),
    };
    let mut layers = Vec::new();
    for spec in sinks {
        let opened = sink::open(spec, colours)?;
        layers.push(opened.layer);
        log.sinks.push(opened.sink);
        log.ring = opened.ring.or(log.ring);
        log.writers.get_mut().extend(opened.writer);
    }
    // The first one stays, as the subscriber does.
    if LOG.set(log).is_ok() {
        let _ = tracing_subscriber::registry().with(layers).try_init();
    }
    Ok(Flush(()))
}

/// As a [`Flush`] that is dropped, for somebody who is in a hurry: blocks for at most
/// `limit`.
pub fn flush_within(limit: Duration) {
    let (done, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(Flush(()));
        // Nobody there who waits for it: the process is about to end.
        let _ = done.send(());
    });
    let _ = end.recv_timeout(limit);
}

/// What each sink lets through, by its name.
///
/// # Errors
/// When there is no log.
pub fn filters() -> Result<BTreeMap<String, String>, LevelError> {
    let log = LOG.get().ok_or(LevelError::NoLog)?;
    let filters = log.sinks.iter().map(|sink| {
        let filter = sink.filter.with_current(ToString::to_string);
        Ok((
            sink.name.clone(),
            filter.map_err(|_gone| LevelError::NoLog)?,
        ))
    });
    filters.collect()
}

/// Has `filter` let lines through from now on: to the sink of this name, or to all.
///
/// # Errors
/// When it makes no sense, or there is no log, or no such sink; then nothing changes.
pub fn set_filter(filter: &str, name: Option<&str>) -> Result<(), LevelError> {
    let filter = Filter::new(filter)?;
    let log = LOG.get().ok_or(LevelError::NoLog)?;
    let meant = |sink: &&Sink| name.is_none_or(|name| sink.name == name);
    let mut sinks = log.sinks.iter().filter(meant).peekable();
    if let (None, Some(name)) = (sinks.peek(), name) {
        return Err(LevelError::NoSink(name.to_owned()));
    }
    for sink in sinks {
        let set = sink.filter.reload(filter.made());
        set.map_err(|_gone| LevelError::NoLog)?;
    }
    Ok(())
}

/// The last lines of the sink in memory, oldest first, and whether they are JSON.
/// None when there is no such sink.
#[must_use]
pub fn last_lines() -> Option<(String, LogFormat)> {
    LOG.get()?.ring.as_ref().map(Ring::lines)
}

/// What each sink could not take since the start.
#[must_use]
pub fn dropped() -> Vec<Dropped> {
    let sinks = LOG.get().map(|log| &log.sinks[..]).unwrap_or_default();
    sinks.iter().map(Sink::dropped).collect()
}
