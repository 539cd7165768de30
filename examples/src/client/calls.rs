//! Calls, and the connections they go over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::Mutex;
use pool_worker::overload::Level;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::admission::Admission;
use super::dial;
use super::error::CallError;
use super::link::Link;
use super::link_task;
use super::message;
use super::options::{Answer, CallOptions, ClientOptions};
use super::turns::{Turn, Turns};
use crate::urgency;
use crate::wire::content::Body;
use crate::wire::head::STOPPING;
use crate::wire::{CallType, ContentType, Frame, RequestProtocol};

/// Calls the methods of one server. A clone goes over the same connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    addr: SocketAddr,
    options: ClientOptions,
    caller: Bytes,
    closed: AtomicBool,
    /// A connection was given up because nothing came over it.
    silent: AtomicBool,
    admission: Admission,
    /// Where the next call goes.
    next: AtomicUsize,
    slots: Box<[Slot]>,
    /// Where a connection has one call at a time.
    turns: Option<Turns>,
}

/// A connection that is there, is being made, or is not.
type Slot = Mutex<Arc<OnceCell<Arc<Link>>>>;

impl Client {
    /// A client of the server at `addr`. It connects when it is first called,
    /// and again after a connection broke.
    #[must_use]
    pub fn new(addr: SocketAddr, options: ClientOptions) -> Self {
        let slots = (0..options.connections.max(1))
            .map(|_| Slot::default())
            .collect();
        let caller = Bytes::from(options.caller.clone());
        let (closed, next) = (AtomicBool::new(false), AtomicUsize::new(0));
        let turns = options
            .exclusive
            .then(|| Turns::new(options.connections.max(1)));
        Self(Arc::new(Inner {
            addr,
            options,
            caller,
            closed,
            silent: AtomicBool::new(false),
            admission: Admission::new(),
            next,
            slots,
            turns,
        }))
    }

    /// Calls `method`, such as `/rpcdemo.Echo/Echo`, with a message.
    ///
    /// A call whose future is dropped is forgotten; the server may still
    /// handle it.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub async fn call<Q: Body, A: Body>(
        &self,
        method: &str,
        request: &Q,
        options: &CallOptions,
    ) -> Result<A, CallError> {
        let content = options.content_type;
        message::translated(content, request, |body| {
            self.call_raw(method, content, body, options)
        })
        .await
    }

    /// The same with bytes; `content_type` says what they are.
    ///
    /// The answer is a slice of the buffer that it was read into: who keeps
    /// it for long should copy it.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub async fn call_raw(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<Bytes, CallError> {
        self.call_whole(method, content_type, body, options)
            .await
            .map(|answer| answer.body)
    }

    /// The same, with what travels beside the body.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    pub async fn call_whole(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<Answer, CallError> {
        let (link, frame) = self
            .send(method, content_type, body, options, CallType::Unary)
            .await?;
        self.0.answer(&link, frame)
    }

    /// Sends a call that is not answered; it is on its way when this returns,
    /// and whether it arrives is not known. Waits while much before it has not been
    /// written, because the server does not read.
    ///
    /// # Errors
    /// When it could not be sent; [`CallError::Timeout`] when it had to wait for too long.
    pub async fn send_one_way(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<(), CallError> {
        self.send(method, content_type, body, options, CallType::OneWay)
            .await
            .map(drop)
    }

    /// Closes the connections, and waits until they are. Calls under way, and
    /// calls to come, fail with [`CallError::Cancelled`].
    pub async fn close(&self) {
        let links = self.0.close();
        for link in links {
            link.ended().await;
        }
    }

    /// Calls that wait for their answers now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let links = self
            .0
            .slots
            .iter()
            .filter_map(|slot| slot.lock().get().cloned());
        links.map(|link| link.waiting()).sum()
    }

    /// What its server lets in, as it last told; see [`urgency`].
    #[must_use]
    pub fn admitted(&self) -> Level {
        self.0.admission.level()
    }

    /// Whether its server has left calls unanswered for so long that a connection was given
    /// up, since the last time this was asked.
    pub(super) fn fell_silent(&self) -> bool {
        self.0.silent.swap(false, Relaxed)
    }

    async fn send(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
        call_type: CallType,
    ) -> Result<(Arc<Link>, Frame), CallError> {
        let carried = errgroup::Context::current();
        let (timeout, meta) = message::within(carried.as_ref(), options)?;
        let deadline = Instant::now() + timeout;
        let millis = timeout.as_millis().max(1);
        let mut head = RequestProtocol {
            call_type: call_type.into(),
            timeout: u32::try_from(millis).unwrap_or(u32::MAX),
            caller: self.0.caller.clone(),
            func: Bytes::copy_from_slice(method.as_bytes()),
            trans_info: meta,
            content_type: content_type.0,
            ..RequestProtocol::default()
        };
        if self.0.options.refuse_early {
            self.0.admission.admits(&head)?;
        }
        let body = message::pack(body, options, &mut head)?;
        let turn = match &self.0.turns {
            // Aside, so that the usual way's future is none the longer.
            Some(turns) => Some(Box::pin(turns.take(deadline)).await?),
            None => None,
        };
        loop {
            let slot = turn.as_ref().map_or_else(|| self.0.next_slot(), Turn::slot);
            let link = self.0.link(slot, deadline).await?;
            // Nothing was sent when it is None: another connection is tried.
            if let Some(ended) = link.call(&mut head, &body, deadline).await {
                if matches!(ended, Err(CallError::Timeout)) && link.is_silent() {
                    self.0.silent.store(true, Relaxed);
                }
                return ended.map(|frame| (link, frame));
            }
        }
    }
}

impl Inner {
    fn next_slot(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % self.slots.len()
    }

    /// A connection that works, as far as is known.
    async fn link(&self, slot: usize, deadline: Instant) -> Result<Arc<Link>, CallError> {
        let slot = &self.slots[slot];
        loop {
            let cell = Arc::clone(&slot.lock());
            let link = match cell.get() {
                Some(link) => link,
                // Who comes while it is being made waits for it.
                None => timeout_at(deadline, cell.get_or_try_init(|| self.connect()))
                    .await
                    .map_err(|_| CallError::Timeout)??,
            };
            if self.closed.load(Relaxed) {
                link.close(&CallError::Cancelled);
                return Err(CallError::Cancelled);
            }
            if !link.is_broken() {
                return Ok(Arc::clone(link));
            }
            let mut current = slot.lock();
            // Another call may have replaced it already.
            if Arc::ptr_eq(&current, &cell) {
                *current = Arc::default();
            }
        }
    }

    async fn connect(&self) -> Result<Arc<Link>, CallError> {
        let refused = |error| CallError::Connect(Arc::new(error));
        if self.closed.load(Relaxed) {
            return Err(CallError::Cancelled);
        }
        let dialling = dial::connect(self.addr, self.options.connect_timeout);
        let stream = dialling.await.map_err(refused)?;
        let link = Arc::new(Link::new(self.options.max_frame));
        tokio::spawn(link_task::run(
            stream,
            Arc::clone(&link),
            self.options.max_frame,
        ));
        Ok(link)
    }

    /// What the server says, of the call and of itself.
    fn answer(&self, link: &Link, frame: Frame) -> Result<Answer, CallError> {
        let head = message::head(&frame)?;
        self.admission.told(urgency::admitted(&head.trans_info));
        if message::has_failed(&head) && head.trans_info.contains_key(STOPPING) {
            link.retire();
        }
        message::answer(head, frame, self.options.max_frame)
    }

    fn close(&self) -> Vec<Arc<Link>> {
        self.closed.store(true, Relaxed);
        let links = self
            .slots
            .iter()
            .filter_map(|slot| slot.lock().get().cloned());
        links
            .inspect(|link| link.close(&CallError::Cancelled))
            .collect()
    }
}

/// Without its client a connection is of no use: its task is told.
impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("addr", &self.0.addr)
            .finish_non_exhaustive()
    }
}
