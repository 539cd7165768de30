//! What a handler knows of its request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use once_cell::sync::OnceCell;
use tokio::time::Instant;
use uuid::Uuid;

use super::running::Stop;
use super::session::Session;
use crate::wire::{ContentType, RequestProtocol};

/// The context of a request. It derives from its service's: when the service
/// stops, [`cancelled`](Self::cancelled) completes.
pub struct Context {
    pub(super) id: OnceCell<Uuid>,
    pub(super) head: RequestProtocol,
    pub(super) deadline: Instant,
    pub(super) session: Arc<Session>,
}

impl Context {
    /// The request's id, a random UUID. Made when it is first asked for.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.id.get_or_init(Uuid::new_v4)
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.session.running.name
    }

    /// The method, such as `/rpcdemo.Echo/Echo`.
    #[must_use]
    pub fn method(&self) -> &str {
        // It is one of the service's methods, all of which are text.
        std::str::from_utf8(&self.head.func).unwrap_or_default()
    }

    /// Who calls, as it says itself.
    #[must_use]
    pub fn caller(&self) -> &[u8] {
        &self.head.caller
    }

    /// How the body is encoded, and the answer will be.
    #[must_use]
    pub fn content_type(&self) -> ContentType {
        ContentType(self.head.content_type)
    }

    /// What the caller sent along (`trans_info`).
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Bytes> {
        &self.head.trans_info
    }

    /// Where the call comes from.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.session.peer
    }

    /// When the request's time is over: the least of the service's, the
    /// method's and the caller's timeouts after it was read. A handler that
    /// is still under way then is dropped.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long there is until the deadline; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Completes when the service will no longer wait for handlers: what is
    /// worth saving should be saved now. Safe to drop and to ask again.
    pub async fn cancelled(&self) {
        let mut stop = self.session.running.stop.subscribe();
        // The sender is in the session, which lives as long as this borrow.
        let _ = stop.wait_for(|stop| *stop >= Stop::Cancel).await;
    }

    /// Whether [`cancelled`](Self::cancelled) would complete at once.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.session.running.stop.borrow() >= Stop::Cancel
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("service", &self.service())
            .field("method", &self.method())
            .field("peer", &self.peer())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
