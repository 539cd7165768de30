//! What a handler knows of its request.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;
use tokio::time::Instant;
// Whether it has one owner is found out without a locked instruction.
use triomphe::Arc as Owned;
use uuid::Uuid;

use super::failure::Failure;
use super::running::{Running, Stop};
use super::session::Session;
use crate::traceparent::{TRACEPARENT, TraceParent};
use crate::wire::head::REQUEST_ID;
use crate::wire::{Code, ContentType, Encoding, RequestProtocol};

/// The context of a request. It derives from its service's: when the service
/// stops, [`cancelled`](Self::cancelled) completes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Context(Owned<Inner>);

#[derive(Default)]
struct Inner {
    id: OnceCell<Uuid>,
    head: RequestProtocol,
    attachment: Bytes,
    limit: Option<Limit>,
    /// There is one while the request is under way.
    session: Option<Arc<Session>>,
    /// Mostly nothing.
    answer: Mutex<Option<Box<Extras>>>,
}

/// The times of a request.
#[derive(Clone, Copy)]
struct Limit {
    read_at: Instant,
    began: Instant,
    deadline: Deadline,
}

/// When a request's time is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// It is the caller's.
    pub(super) full_link: bool,
}

impl Deadline {
    #[cold]
    pub(super) fn over(self) -> Failure {
        if self.full_link {
            Failure::framework(Code::FULL_LINK_TIMEOUT, "the caller's time is over")
        } else {
            Failure::framework(Code::SERVER_TIMEOUT, "the time for the request is over")
        }
    }
}

/// What goes with an answer beside its body.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) meta: BTreeMap<String, Bytes>,
    pub(super) attachment: Bytes,
    /// The body is compressed.
    pub(super) packed: bool,
}

/// The id that the caller has told, or that of its trace, or else a new one.
pub(super) fn request_id(head: &RequestProtocol) -> Uuid {
    let told = head.trans_info.get(REQUEST_ID);
    told.and_then(|id| Uuid::try_parse_ascii(id).ok())
        .or_else(|| Some(parent(head)?.trace))
        .unwrap_or_else(Uuid::now_v7)
}

/// The span that the call was made in, if its caller has told it.
fn parent(head: &RequestProtocol) -> Option<TraceParent> {
    TraceParent::told(head.trans_info.get(TRACEPARENT)?)
}

/// For the server.
impl Context {
    /// Makes this the context of a request, whose head is to be read into what this
    /// gives; in the memory it has, unless somebody has kept the one it was.
    #[inline]
    pub(super) fn begin(&mut self, session: &Arc<Session>) -> &mut RequestProtocol {
        if !Owned::is_unique(&self.0) {
            *self = Self::default();
        }
        let inner = Owned::get_mut(&mut self.0).expect("nobody else knows it");
        let same = |own: &Arc<Session>| Arc::ptr_eq(own, session);
        if !inner.session.as_ref().is_some_and(same) {
            inner.session = Some(Arc::clone(session));
        }
        &mut inner.head
    }

    /// Says what has been found out of it.
    #[inline]
    pub(super) fn settle(
        &mut self,
        attachment: Bytes,
        read_at: Instant,
        began: Instant,
        deadline: Deadline,
    ) {
        let inner = Owned::get_mut(&mut self.0).expect("the request has not begun");
        inner.attachment = attachment;
        inner.limit = Some(Limit {
            read_at,
            began,
            deadline,
        });
    }

    /// The request has ended: what was known of it goes, but for the connection, which may
    /// have a next one.
    #[inline]
    pub(super) fn end(&mut self) {
        let Some(inner) = Owned::get_mut(&mut self.0) else {
            // Somebody has kept it.
            *self = Self::default();
            return;
        };
        inner.id = OnceCell::new();
        inner.head.reset();
        inner.attachment = Bytes::new();
    }

    /// There is no next one.
    #[inline]
    pub(super) fn release(&mut self) {
        if let Some(inner) = Owned::get_mut(&mut self.0) {
            inner.session = None;
        }
    }

    #[inline]
    pub(super) fn session(&self) -> &Arc<Session> {
        self.0.session.as_ref().expect("a request is under way")
    }

    #[inline]
    pub(super) fn running(&self) -> &Running {
        &self.session().running
    }

    #[inline]
    pub(super) fn head(&self) -> &RequestProtocol {
        &self.0.head
    }

    fn times(&self) -> Limit {
        self.0.limit.expect("a request is under way")
    }

    #[inline]
    pub(super) fn limit(&self) -> Deadline {
        self.times().deadline
    }

    #[inline]
    pub(super) fn began(&self) -> Instant {
        self.times().began
    }

    /// How long the request has taken from its reading to `end`.
    #[inline]
    pub(super) fn took(&self, end: Instant) -> Duration {
        end.saturating_duration_since(self.times().read_at)
    }

    /// The body of the answer has been compressed.
    pub(super) fn say_packed(&self) {
        self.answer(|extras| extras.packed = true);
    }

    /// Takes what the handler wants to be sent along.
    #[inline]
    pub(super) fn take_extras(&mut self) -> Option<Box<Extras>> {
        match Owned::get_mut(&mut self.0) {
            Some(inner) => inner.answer.get_mut().take(),
            None => self.0.answer.lock().take(),
        }
    }

    fn answer(&self, add: impl FnOnce(&mut Extras)) {
        add(self.0.answer.lock().get_or_insert_default());
    }
}

impl Context {
    /// The request's id: that of its caller, which came as `request-id` in the
    /// metadata, or that of the trace it is told to be a part of, or else a UUID that sorts
    /// by time (version 7), made when it is first asked for.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        *self.0.id.get_or_init(|| request_id(&self.0.head))
    }

    /// The span that the call was made in, which came as `traceparent` in the metadata.
    #[must_use]
    pub fn parent(&self) -> Option<TraceParent> {
        parent(&self.0.head)
    }

    /// The span that this request is, of its caller's trace, or of one that has the
    /// request's id.
    #[must_use]
    pub fn span(&self) -> TraceParent {
        // Of those that a connection brings, and those of others, each has another one; so
        // it need not be kept.
        let mut span = DefaultHasher::new();
        let id = self.request_id();
        (id, self.peer(), self.0.head.request_id).hash(&mut span);
        let span = span.finish().max(1);
        match self.parent() {
            Some(parent) => parent.child(span),
            None => TraceParent::root(id, span),
        }
    }

    /// How long the request has waited between its reading and its turn: the
    /// schedule delay.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let Limit { read_at, began, .. } = self.times();
        began.saturating_duration_since(read_at)
    }

    /// Sends `value` along with the answer, as `key` (`trpc.SetMetaData` of
    /// trpc-go). The last value of a key is the one that is sent.
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.answer(|extras| {
            extras.meta.insert(key, value);
        });
    }

    /// What the caller sent behind the body, which is neither compressed nor
    /// decoded; mostly nothing.
    #[must_use]
    pub fn attachment(&self) -> &Bytes {
        &self.0.attachment
    }

    /// Sends `attachment` behind the body of the answer.
    pub fn set_attachment(&self, attachment: impl Into<Bytes>) {
        let attachment = attachment.into();
        self.answer(|extras| extras.attachment = attachment);
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.session().running.name
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
        self.session().peer
    }

    /// When the request's time is over: the least of the service's, the
    /// method's and the caller's timeouts after it was read. A handler that
    /// is still under way then is dropped.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.limit().at
    }

    /// How long there is until the deadline; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Completes when the service will no longer wait for handlers: what is
    /// worth saving should be saved now. Safe to drop and to ask again.
    pub async fn cancelled(&self) {
        let mut stop = self.session().running.stop.subscribe();
        // The sender is in the session, which lives as long as this borrow.
        let _ = stop.wait_for(|stop| *stop >= Stop::Cancel).await;
    }

    /// Whether [`cancelled`](Self::cancelled) would complete at once.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.session().running.stop.borrow() >= Stop::Cancel
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("service", &self.service())
            .field("method", &self.method())
            .field("peer", &self.peer())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}
