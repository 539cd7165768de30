//! The ways to tell people.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use pool_object::{Policy, Pool};
use serde::Serialize;

use super::policy::ChannelKind;

/// An alarm as it is told: converted for people, names in place of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notification {
    /// Number of the policy.
    pub policy: u32,
    /// `firing` or `recovered`.
    pub state: String,
    /// How bad it is.
    pub level: String,
    /// Region name.
    pub region: String,
    /// Product name.
    pub product: String,
    /// Metric name.
    pub metric: String,
    /// Instance name.
    pub instance: String,
    /// The reading.
    pub value: f64,
    /// What it was held against, such as `> 90`.
    pub condition: String,
    /// When it was read, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Notifications that go to a channel together.
pub type Batch = Arc<[Arc<Notification>]>;

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The alarm log could not be written.
    #[error("alarm log: {0}")]
    Log(#[from] io::Error),
    /// The receiver could not be reached.
    #[error("webhook: {0}")]
    Http(#[from] hyper_util::client::legacy::Error),
    /// The receiver refused.
    #[error("webhook answered {0}")]
    Refused(axum::http::StatusCode),
    /// The receiver took too long.
    #[error("webhook: no answer in time")]
    Timeout,
}

/// A way to tell people. All of a batch is delivered, or none of it counts.
pub trait Channel: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> ChannelKind;

    /// Tells `batch`.
    ///
    /// # Errors
    /// When the batch could not be told; it may be tried again.
    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>>;

    /// Makes sure of what was told; nothing is told after that.
    ///
    /// # Errors
    /// When that cannot be made sure of.
    fn close(&self) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Clears a line buffer as it comes back, and drops one that a burst made huge.
#[derive(Debug)]
struct Lines;

impl Policy<Vec<u8>> for Lines {
    fn create(&self) -> Vec<u8> {
        Vec::with_capacity(4096)
    }

    fn reset(&self, lines: &mut Vec<u8>) -> bool {
        lines.clear();
        lines.capacity() <= 256 * 1024
    }
}

static LINES: Pool<Vec<u8>, Lines> = Pool::new(Lines);

/// The figures of the pool of line buffers.
#[must_use]
pub fn line_buffers() -> pool_object::Stats {
    LINES.stats()
}

/// A file with a JSON object a line.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    /// Appends to the file at `path`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn append(&self, batch: &Batch) -> io::Result<()> {
        let mut lines = LINES.get();
        for notification in batch.iter() {
            serde_json::to_writer(&mut *lines, notification)?;
            lines.push(b'\n');
        }
        // One write a batch: a line is never cut by another one.
        self.file.lock().write_all(&lines)
    }
}

impl Channel for LogFile {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Log
    }

    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move { Ok(self.append(&batch)?) })
    }

    /// The file is on the disk, not only in the kernel.
    fn close(&self) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let file = self.file.lock().try_clone();
        Box::pin(async move {
            let file = file?;
            let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
            Ok(synced.map_err(io::Error::from)??)
        })
    }
}

/// The last alarms, for whoever asks.
#[derive(Debug)]
pub struct Memory {
    last: Mutex<VecDeque<Arc<Notification>>>,
    keep: usize,
}

impl Memory {
    /// Keeps the last `keep` alarms.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self {
            last: Mutex::default(),
            keep,
        }
    }

    /// The alarms kept, oldest first.
    #[must_use]
    pub fn last(&self) -> Vec<Arc<Notification>> {
        self.last.lock().iter().cloned().collect()
    }
}

impl Channel for Memory {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Memory
    }

    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        let mut last = self.last.lock();
        last.extend(batch.iter().cloned());
        let over = last.len().saturating_sub(self.keep);
        last.drain(..over);
        Box::pin(std::future::ready(Ok(())))
    }
}
