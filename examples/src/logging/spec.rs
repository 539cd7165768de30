//! Where lines go: what the config file says of it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::filter::Filter;

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

/// Lines that may wait to be written at most: each has its place in memory from the start.
const MAX_QUEUE: usize = 1 << 20;

/// Why there is no such sink.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Two have the same name.
    #[error("two logs are called {0:?}: give one of them a name")]
    SameName(String),
    /// Two write to the same file.
    #[error("two logs go to {}", .0.display())]
    SamePath(PathBuf),
    /// A path that no file can have.
    #[error("the log {name:?} goes to a file, and {path:?} is none")]
    NotAFile {
        /// The sink.
        name: String,
        /// The path.
        path: PathBuf,
    },
    /// Files to keep, of which there is only one.
    #[error("the log {0:?} has one file for ever (rotation) and no keep")]
    OneFile(String),
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
    /// There is no memory for so many.
    #[error("the log {0:?} has a queue of more than {MAX_QUEUE}")]
    LongQueue(String),
    /// The file cannot be written.
    #[error("log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
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
            if spec.queue.is_some_and(|queue| queue > MAX_QUEUE) {
                return Err(SinkError::LongQueue(name));
            }
            if spec.rotation == Some(Rotation::Never) && spec.keep.is_some() {
                return Err(SinkError::OneFile(name));
            }
            match &spec.path {
                None if file => return Err(SinkError::NoPath(name)),
                None => {}
                Some(path) if path.file_name().is_none() || path.is_dir() => {
                    let path = path.clone();
                    return Err(SinkError::NotAFile { name, path });
                }
                Some(path) => {
                    let mut others = all[..nth].iter().filter_map(|other| other.path.as_ref());
                    if others.any(|other| is_same(other, path)) {
                        return Err(SinkError::SamePath(path.clone()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether two paths are one, as far as their names tell.
fn is_same(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| std::path::absolute(path).ok());
    one.is_some() && one == other
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
            ("[[log]]\nto = \"file\"\npath = \"\"", "is none"),
            ("[[log]]\nto = \"file\"\npath = \"/\"", "is none"),
            ("[[log]]\nto = \"file\"\npath = \"src\"", "is none"),
            (
                "[[log]]\nto = \"file\"\npath = \"a\"\nrotation = \"never\"\nkeep = 1",
                "no keep",
            ),
            (
                "[[log]]\nto = \"file\"\npath = \"a\"\n\
                 [[log]]\nto = \"file\"\npath = \"./a\"\nname = \"b\"",
                "two logs",
            ),
            ("[[log]]\nto = \"console\"\npath = \"x\"", "no path"),
            ("[[log]]\nto = \"memory\"\nqueue = 1", "no queue"),
            ("[[log]]\nto = \"memory\"\nkeep = 0", "keep = 0"),
            ("[[log]]\nto = \"console\"\nqueue = 1048577", "1048576"),
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
        let long = "[[log]]\nto = \"console\"\nqueue = 1048576";
        SinkSpec::check(&parsed(long)).unwrap();
    }
}
