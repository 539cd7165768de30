//! What can be wrong with what was said.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::settle::{KEEP_ALIVE, MAX_POOL};
use crate::alarm::store::MAX_POLICIES;
use crate::load::profile::ProfileError;
use crate::logging::SinkError;
use crate::provenance::{Provenance, Source};

/// Why it cannot run with what was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The config file cannot be read.
    #[error("config file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The config file is not right.
    #[error("config file {}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// More policies than there can be, or none.
    #[error("the number of policies must be from 1 to {MAX_POLICIES}, not {0}")]
    Policies(u64),
    /// With a time of nothing, nothing could be done.
    #[error("{0} must be above 0")]
    Zero(&'static str),
    /// Of these only one could listen.
    #[error("{} and {} are both at {addr}", keys[0], keys[1])]
    SameAddress {
        /// Whose address it is.
        keys: [&'static str; 2],
        /// That of the latter.
        addr: SocketAddr,
    },
    /// The kernel knows no others.
    #[error("keep-alive must be 0s, or from 1s to {}s", KEEP_ALIVE.end().as_secs())]
    KeepAlive,
    /// With none of these nothing could be done, and more there cannot be.
    #[error("{key} must be from 1 to {most}")]
    Count {
        /// What.
        key: &'static str,
        /// How many at most.
        most: usize,
    },
    /// A pool of workers has no room for so many.
    #[error("{workers} workers and a queue of {queue} are more than {MAX_POOL} together")]
    TooMany {
        /// Requests that run.
        workers: usize,
        /// Requests that wait.
        queue: usize,
    },
    /// A time was said for it.
    #[error("there is no method {0}")]
    NoMethod(String),
    /// The load cannot be.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The logs do not go together.
    #[error(transparent)]
    Log(#[from] SinkError),
    /// The webhook's address is not one.
    #[error("webhook {0:?} is not an http:// address")]
    Webhook(String),
    /// One of these, and what has said it.
    #[error("{error} ({said})")]
    Said {
        /// What is wrong.
        error: Box<ConfigError>,
        /// Each value that it is about, and where it comes from.
        said: String,
    },
}

impl ConfigError {
    /// The keys whose values it is about.
    fn keys(&self) -> &[&'static str] {
        match self {
            Self::Policies(_) => &["policies", "policy"],
            Self::Zero(key) | Self::Count { key, .. } => std::slice::from_ref(key),
            Self::SameAddress { keys, .. } => keys,
            Self::TooMany { .. } => &["workers", "queue"],
            Self::KeepAlive => &["keep-alive"],
            Self::NoMethod(_) => &["method-timeout"],
            Self::Profile(_) => &["qps", "peak", "duration"],
            Self::Log(_) => &["log"],
            Self::Webhook(_) => &["webhook"],
            Self::Read { .. } | Self::Parse { .. } | Self::Said { .. } => &[],
        }
    }

    /// With where the values come from that it is about.
    #[must_use]
    pub fn said_by(self, provenance: &Provenance) -> Self {
        let sources = self.keys().iter().map(|key| (key, provenance.of(key)));
        let said: Vec<_> = sources
            .filter(|(_, source)| **source != Source::Default)
            .map(|(key, source)| format!("{key}: {source}"))
            .collect();
        if said.is_empty() {
            return self;
        }
        let (error, said) = (Box::new(self), said.join("; "));
        Self::Said { error, said }
    }
}
