//! Where lines go: what is made of what the config file says of it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use tracing_appender::non_blocking::ErrorCounter;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{Layer, Registry, fmt};

use super::Dropped;
use super::ring::Ring;
use super::rolling::Rolling;
use super::spec::{LogFormat, Rotation, SinkError, SinkKind, SinkSpec};
use super::writer::Writer;

/// Lines that may wait to be written when nothing else is said.
const QUEUE: usize = 16 * 1024;
/// Lines that are kept in memory when nothing else is said.
const KEEP_LINES: usize = 1_000;

/// A sink at work.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) name: String,
    pub(super) filter: Handle<EnvFilter, Registry>,
    /// None in memory, where nothing waits.
    full: Option<ErrorCounter>,
    failed: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn dropped(&self) -> Dropped {
        let full = self.full.as_ref().map_or(0, ErrorCounter::dropped_lines);
        Dropped {
            sink: self.name.clone(),
            full: full as u64,
            failed: self.failed.load(Relaxed),
        }
    }
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// A sink, and what it needs.
pub(super) struct Opened {
    pub(super) sink: Sink,
    pub(super) layer: Lines,
    pub(super) ring: Option<Ring>,
    pub(super) writer: Option<Writer>,
}

/// Makes a sink that is right.
///
/// # Errors
/// When its file cannot be had.
pub(super) fn open(spec: &SinkSpec, colours: bool) -> Result<Opened, SinkError> {
    let (filter, handle) = reload::Layer::new(spec.level.made());
    let mut sink = Sink {
        name: spec.name(),
        filter: handle,
        full: None,
        failed: Arc::default(),
    };
    if spec.to == SinkKind::Memory {
        let ring = Ring::new(spec.keep.unwrap_or(KEEP_LINES), spec.format);
        let layer = formatted(spec.format, false, ring.clone());
        let layer = layer.with_filter(filter).boxed();
        return Ok(Opened {
            sink,
            layer,
            ring: Some(ring),
            writer: None,
        });
    }
    let (to, colours): (Box<dyn Write + Send>, bool) = match &spec.path {
        Some(path) => (Box::new(file(spec, path)?), false),
        None => {
            let console = io::stderr();
            let colours = colours && console.is_terminal();
            (Box::new(console), colours)
        }
    };
    let queue = spec.queue.unwrap_or(QUEUE);
    let writer = Writer::start(to, queue, Arc::clone(&sink.failed));
    sink.full = Some(writer.queue().error_counter());
    let layer = formatted(spec.format, colours, writer.queue());
    Ok(Opened {
        sink,
        layer: layer.with_filter(filter).boxed(),
        ring: None,
        writer: Some(writer),
    })
}

fn formatted<W>(format: LogFormat, colours: bool, to: W) -> Lines
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_ansi(colours).with_writer(to);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

fn file(spec: &SinkSpec, path: &Path) -> Result<impl Write + Send + 'static + use<>, SinkError> {
    let rotation = spec.rotation.unwrap_or(Rotation::Daily);
    Rolling::open(path, rotation, spec.keep, SystemTime::now).map_err(|source| SinkError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::logging::Filter;

    #[test]
    fn a_file_rolls_by_the_day_when_nothing_else_is_said_and_has_no_colours() {
        use tracing_subscriber::layer::SubscriberExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let warn = Filter::new("warn").unwrap();
        let mut spec = SinkSpec::new(SinkKind::File, warn, LogFormat::Text);
        spec.path = Some(path);
        let opened = open(&spec, true).ok().unwrap();
        let log = tracing_subscriber::registry().with(vec![opened.layer]);
        tracing::subscriber::with_default(log, || {
            tracing::info!("not at this level");
            tracing::warn!(count = 3, "structured");
            let count = 4;
            tracing::warn!("sugared {count:03}");
        });
        opened
            .writer
            .unwrap()
            .finish(Instant::now() + Duration::from_secs(3600));
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        let [Ok(file)] = &files[..] else {
            panic!("{files:?}")
        };
        let name = file.file_name().into_string().unwrap();
        let day = name.strip_prefix("a.log.").unwrap_or_default();
        assert_eq!(day.len(), "2026-11-23".len(), "{name}");
        let lines = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with("structured count=3"), "{lines:?}");
        assert!(lines[1].ends_with("sugared 004"), "{lines:?}");
    }
}
