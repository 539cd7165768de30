//! The ways to tell people.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
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
    /// Id of the request that brought the reading.
    pub request_id: String,
    /// Its span, as a [`TraceParent`](crate::traceparent::TraceParent); empty when that is
    /// not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
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

impl DeliveryError {
    /// Whether fewer at once may be taken.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(
            self,
            Self::Refused(axum::http::StatusCode::PAYLOAD_TOO_LARGE)
        )
    }

    /// Whether trying again would come to the same: the receiver has understood, and says
    /// no.
    #[must_use]
    pub fn is_final(&self) -> bool {
        const LATER: [u16; 3] = [408, 425, 429];
        match self {
            Self::Refused(status) => status.is_client_error() && !LATER.contains(&status.as_u16()),
            _ => false,
        }
    }
}

/// A way to tell people. All of a batch is delivered, or none of it counts.
pub trait Channel: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> ChannelKind;

    /// Tells `batch`. The next one comes when this has ended.
    ///
    /// # Errors
    /// When the batch could not be told; it may be tried again, with more behind it.
    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>>;

    /// Makes sure of what was told; nothing is told after that.
    ///
    /// # Errors
    /// When that cannot be made sure of.
    fn close(&self) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(std::future::ready(Ok(())))
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
