//! Where lines go: what the config file says of it, and what is made of that.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{self, InitError, RollingFileAppender};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{Layer, Registry, fmt};

use super::Dropped;
use super::ring::Ring;

/// Lines that may wait to be written when nothing else is said.
const QUEUE: usize = 16 * 1024;
/// How often a queue that is full is asked for a place.
const MARK_AGAIN: Duration = Duration::from_millis(20);
/// Lines that are kept in memory when nothing else is said.
const KEEP_LINES: usize = 1_000;

/// A place that lines go to: `[[log]]` in the config file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SinkSpec {
    /// Which place.
    pub to: SinkKind,
    /// What it is called on the admin port; as the place when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it lets through.
    #[serde(default)]
    pub level: Filter,
    /// How its lines look.
    #[serde(default)]
    pub format: LogFormat,
    /// The file; where it rolls, the time is added to its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How often another file is begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// How many files, or lines in memory, are kept; all files when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
    /// How many lines may wait to be written; what comes then is dropped and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<usize>,
}

/// The places that lines can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SinkKind {
    /// Standard error.
    Console,
    /// A file, or one after the other.
    File,
    /// Memory: `/logs` on the admin port.
    Memory,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// How often another file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// Never.
    Never,
    /// Every minute.
    Minutely,
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
}

/// A filter of lines that makes sense, such as `info` or `rpc_demo=debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Filter(String);

impl Filter {
    /// The filter that `text` says.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn new(text: impl Into<String>) -> Result<Self, ParseError> {
        let text = text.into();
        EnvFilter::builder().parse(&text)?;
        Ok(Self(text))
    }

    fn made(&self) -> EnvFilter {
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

/// Why there is no such sink.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Two have the same name.
    #[error("two logs are called {0:?}: give one of them a name")]
    SameName(String),
    /// A file without a path.
    #[error("the log {0:?} goes to a file and has no path")]
    NoPath(String),
    /// An option that this kind of sink does not have.
    #[error("the log {name:?} goes to {to} and has no {option}")]
    NoSuchOption {
        /// The sink.
        name: String,
        /// Where it goes.
        to: SinkKind,
        /// The option.
        option: &'static str,
    },
    /// Nothing could be written, or kept.
    #[error("the log {name:?} has {option} = 0")]
    Nothing {
        /// The sink.
        name: String,
        /// The option.
        option: &'static str,
    },
    /// The file cannot be written.
    #[error("log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: InitError,
    },
}

impl SinkSpec {
    /// One of this kind that lets `level` through.
    #[must_use]
    pub fn new(to: SinkKind, level: Filter, format: LogFormat) -> Self {
        Self {
            to,
            name: None,
            level,
            format,
            path: None,
            rotation: None,
            keep: None,
            queue: None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.to.to_string())
    }

    pub(super) fn is_text(&self) -> bool {
        self.format == LogFormat::Text
    }

    /// Checks that all of them go together.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(all: &[Self]) -> Result<(), SinkError> {
        for (nth, spec) in all.iter().enumerate() {
            let name = spec.name();
            if all[..nth].iter().any(|other| other.name() == name) {
                return Err(SinkError::SameName(name));
            }
            let (file, memory) = (spec.to == SinkKind::File, spec.to == SinkKind::Memory);
            for (said, has, option) in [
                (spec.path.is_some(), file, "path"),
                (spec.rotation.is_some(), file, "rotation"),
                (spec.keep.is_some(), file || memory, "keep"),
                (spec.queue.is_some(), !memory, "queue"),
            ] {
                if said && !has {
                    let to = spec.to;
                    return Err(SinkError::NoSuchOption { name, to, option });
                }
            }
            for (count, option) in [(spec.keep, "keep"), (spec.queue, "queue")] {
                if count == Some(0) {
                    return Err(SinkError::Nothing { name, option });
                }
            }
            if file && spec.path.is_none() {
                return Err(SinkError::NoPath(name));
            }
        }
        Ok(())
    }
}

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
    let (mark, caught_up) = mpsc::channel();
    let to = Watched {
        to,
        failed: Arc::clone(&sink.failed),
        mark,
    };
    let (queue, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(spec.queue.unwrap_or(QUEUE))
        .thread_name("log")
        .finish(to);
    sink.full = Some(queue.error_counter());
    let layer = formatted(spec.format, colours, queue.clone());
    let writer = Writer {
        queue,
        caught_up,
        guard,
    };
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

fn file(spec: &SinkSpec, path: &Path) -> Result<RollingFileAppender, SinkError> {
    let rotation = match spec.rotation {
        None | Some(Rotation::Daily) => rolling::Rotation::DAILY,
        Some(Rotation::Never) => rolling::Rotation::NEVER,
        Some(Rotation::Minutely) => rolling::Rotation::MINUTELY,
        Some(Rotation::Hourly) => rolling::Rotation::HOURLY,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = RollingFileAppender::builder()
        .rotation(rotation)
        .filename_prefix(name);
    if let Some(keep) = spec.keep {
        builder = builder.max_log_files(keep);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    builder.build(folder).map_err(|source| SinkError::File {
        path: path.to_owned(),
        source,
    })
}

/// The thread that writes the lines of a sink, and their queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: NonBlocking,
    caught_up: Receiver<()>,
    guard: WorkerGuard,
}

impl Writer {
    /// Blocks until what has been accepted is written, or the `end`.
    pub(super) fn finish(mut self, end: Instant) {
        // An empty line is a mark: it is behind all that was accepted before it.
        while Instant::now() < end {
            // Not accepted while the queue is full: then again.
            let _ = self.queue.write(b"");
            if self.caught_up.recv_timeout(MARK_AGAIN).is_ok() {
                return;
            }
        }
        // It would wait for a second more.
        std::mem::forget(self.guard);
    }
}

/// What a sink writes to: counts what fails, of which `tracing-appender` says nothing,
/// and tells when it comes to a mark.
struct Watched<W> {
    to: W,
    failed: Arc<AtomicU64>,
    mark: Sender<()>,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line)?;
        Ok(line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if line.is_empty() {
            // Nobody there who waits for it: it took too long.
            let _ = self.mark.send(());
            return Ok(());
        }
        let written = self.to.write_all(line);
        if written.is_err() {
            self.failed.fetch_add(1, Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<SinkSpec> {
        #[derive(Deserialize)]
        struct File {
            log: Vec<SinkSpec>,
        }
        toml::from_str::<File>(text).unwrap().log
    }

    #[test]
    fn sinks_that_cannot_be_are_refused() {
        for (text, word) in [
            ("[[log]]\nto = \"file\"", "no path"),
            ("[[log]]\nto = \"console\"\npath = \"x\"", "no path"),
            ("[[log]]\nto = \"memory\"\nqueue = 1", "no queue"),
            ("[[log]]\nto = \"memory\"\nkeep = 0", "keep = 0"),
            (
                "[[log]]\nto = \"console\"\n[[log]]\nto = \"console\"",
                "two logs",
            ),
        ] {
            let error = SinkSpec::check(&parsed(text)).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let two = "[[log]]\nto = \"console\"\n[[log]]\nto = \"console\"\nname = \"loud\"";
        SinkSpec::check(&parsed(two)).unwrap();
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let failed = Arc::<AtomicU64>::default();
        let (mark, marks) = mpsc::channel();
        let mut to = Watched {
            to: Full,
            failed: Arc::clone(&failed),
            mark,
        };
        assert!(to.write_all(b"a line\n").is_err());
        assert_eq!(failed.load(Relaxed), 1);
        assert!(marks.try_recv().is_err());
        to.write_all(b"").unwrap();
        marks.try_recv().unwrap();
    }

    #[test]
    fn a_file_rolls_by_the_day_when_nothing_else_is_said_and_has_no_colours() {
        use tracing_subscriber::layer::SubscriberExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let text = format!("[[log]]\nto = \"file\"\nlevel = \"warn\"\npath = {path:?}");
        let spec = parsed(&text).remove(0);
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
