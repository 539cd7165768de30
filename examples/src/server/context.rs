//! What a handler knows of its request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::running::Stop;
use super::session::Session;
use crate::wire::{ContentType, Encoding, RequestProtocol};

/// The context of a request. It derives from its service's: when the service
/// stops, [`cancelled`](Self::cancelled) completes. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    id: OnceCell<Uuid>,
    head: RequestProtocol,
    attachment: Bytes,
    deadline: Instant,
    session: Arc<Session>,
    answer: Mutex<Extras>,
}

/// What goes with an answer beside its body.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) meta: BTreeMap<String, Bytes>,
    pub(super) attachment: Bytes,
}

impl Context {
    pub(super) fn new(
        head: RequestProtocol,
        attachment: Bytes,
        deadline: Instant,
        session: Arc<Session>,
    ) -> Self {
        Self(Arc::new(Inner {
            id: OnceCell::new(),
            head,
            attachment,
            deadline,
            session,
            answer: Mutex::default(),
        }))
    }

    /// The request's id, a UUID that sorts by time (version 7). Made when it
    /// is first asked for.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.0.id.get_or_init(Uuid::now_v7)
    }

    /// Sends `value` along with the answer, as `key` (`trpc.SetMetaData` of
    /// trpc-go). The last value of a key is the one that is sent.
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<Bytes>) {
        self.0.answer.lock().meta.insert(key.into(), value.into());
    }

    /// What the caller sent behind the body, which is neither compressed nor
    /// decoded; mostly nothing.
    #[must_use]
    pub fn attachment(&self) -> &Bytes {
        &self.0.attachment
    }

    /// Sends `attachment` behind the body of the answer.
    pub fn set_attachment(&self, attachment: impl Into<Bytes>) {
        self.0.answer.lock().attachment = attachment.into();
    }

    /// Takes what the handler wants to be sent along.
    pub(super) fn take_extras(&self) -> Extras {
        std::mem::take(&mut *self.0.answer.lock())
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.session.running.name
    }

    /// The method, such as `/rpcdemo.Echo/Echo`.
    #[must_use]
    pub fn method(&self) -> &str {
        // It is one of the service's methods, all of which are text.
        std::str::from_utf8(&self.0.head.func).unwrap_or_default()
    }

    /// Who calls, as it says itself.
    #[must_use]
    pub fn caller(&self) -> &[u8] {
        &self.0.head.caller
    }

    /// How the body is encoded, and the answer will be.
    #[must_use]
    pub fn content_type(&self) -> ContentType {
        ContentType(self.0.head.content_type)
    }

    /// How the caller compresses, and the answer will be.
    pub(super) fn encoding(&self) -> Encoding {
        Encoding(self.0.head.content_encoding)
    }

    /// What the caller sent along (`trans_info`).
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Bytes> {
        &self.0.head.trans_info
    }

    /// Where the call comes from.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.session.peer
    }

    /// When the request's time is over: the least of the service's, the
    /// method's and the caller's timeouts after it was read. A handler that
    /// is still under way then is dropped.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// How long there is until the deadline; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// Completes when the service will no longer wait for handlers: what is
    /// worth saving should be saved now. Safe to drop and to ask again.
    pub async fn cancelled(&self) {
        let mut stop = self.0.session.running.stop.subscribe();
        // The sender is in the session, which lives as long as this borrow.
        let _ = stop.wait_for(|stop| *stop >= Stop::Cancel).await;
    }

    /// Whether [`cancelled`](Self::cancelled) would complete at once.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.session.running.stop.borrow() >= Stop::Cancel
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("service", &self.service())
            .field("method", &self.method())
            .field("peer", &self.peer())
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}
