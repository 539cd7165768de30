//! One request, from its frame to the frame of its reply.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use futures::FutureExt;
use futures::future::{BoxFuture, CatchUnwind};
use prost::Message;
use tokio::time::Instant;

use super::context::{Context, Extras};
use super::failure::Failure;
use super::running::{Running, Stop};
use super::session::Session;
use crate::wire::compress::{compress, decompress};
use crate::wire::{
    CallType, Code, ContentType, Encoding, Frame, RequestProtocol, ResponseProtocol, frame,
};

/// A time that is never over, as far as anybody here is concerned.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Bodies of less are not compressed: it would not be worth it.
const COMPRESS_FROM: usize = 256;

/// A reply, ready to be encoded.
#[derive(Debug)]
pub(super) struct Reply {
    id: u32,
    version: u8,
    head: ResponseProtocol,
    body: Bytes,
    /// The method that was called, for the log.
    func: Bytes,
    /// The caller expects none.
    pub(super) one_way: bool,
    /// The handler was dropped because the server would not wait.
    pub(super) aborted: bool,
}

/// A request that has been begun.
pub(super) enum Begun {
    /// It did not have to wait.
    Done(Reply),
    /// It waits.
    Waiting(Waiting),
}

/// A request whose handler waits for something.
pub(super) struct Waiting {
    session: Arc<Session>,
    reply: Reply,
    future: HandlerFuture,
    context: Context,
    deadline: Deadline,
    began: Instant,
}

type HandlerFuture = CatchUnwind<AssertUnwindSafe<BoxFuture<'static, Result<Bytes, Failure>>>>;

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    /// It is the caller's.
    full_link: bool,
}

/// Handles a request to its end.
pub(super) async fn answer(session: &Arc<Session>, frame: Frame, read_at: Instant) -> Reply {
    let mut now = Instant::now();
    match begin(session, frame, read_at, &mut now).await {
        Begun::Done(reply) => reply,
        Begun::Waiting(waiting) => Box::pin(waiting.finish()).await,
    }
}

/// The reply to a request that is not handled.
#[cold]
pub(super) fn refuse(session: &Session, frame: &Frame, failure: Failure) -> Reply {
    let head = RequestProtocol::decode(frame.head()).unwrap_or_default();
    Reply::to(frame, &head).failed(session, failure)
}

/// Calls the handler and polls it once, which is all that most need.
///
/// `now` is a time that has just been, and is set anew: one look at the clock
/// a request.
#[inline]
pub(super) async fn begin(
    session: &Arc<Session>,
    frame: Frame,
    read_at: Instant,
    now: &mut Instant,
) -> Begun {
    let encoded = frame.head();
    let empty = encoded.is_empty();
    let head = match RequestProtocol::decode(encoded) {
        Ok(head) if !empty => head,
        other => return Begun::Done(undecodable(session, &frame, other.err())),
    };
    let reply = Reply::to(&frame, &head);
    let began = *now;
    let (mut future, context, deadline) = match call(session, head, frame, read_at, began) {
        Ok(called) => called,
        Err(failure) => return Begun::Done(reply.failed(session, failure)),
    };
    match poll_fn(|cx| Poll::Ready(future.poll_unpin(cx))).await {
        Poll::Ready(result) => {
            *now = Instant::now();
            let result = result.unwrap_or_else(|panic| Err(panicked(session, &*panic)));
            Begun::Done(reply.end(session, &context, result, *now - began))
        }
        Poll::Pending => {
            let session = Arc::clone(session);
            Begun::Waiting(Waiting {
                session,
                reply,
                future,
                context,
                deadline,
                began,
            })
        }
    }
}

/// Checks the request and calls its handler.
#[inline]
fn call(
    session: &Arc<Session>,
    head: RequestProtocol,
    frame: Frame,
    read_at: Instant,
    now: Instant,
) -> Result<(HandlerFuture, Context, Deadline), Failure> {
    let running: &Running = &session.running;
    let mut body = frame.into_body();
    let Some(length) = body.len().checked_sub(head.attachment_size as usize) else {
        let (attachment, body) = (head.attachment_size, body.len());
        let message = format!("attachment of {attachment} bytes in a body of {body}");
        return Err(Failure::framework(Code::SERVER_DECODE, message));
    };
    let attachment = body.split_off(length);
    if head.content_encoding != 0 {
        body = unpacked(&head, body, running.options.max_frame)?;
    }
    let method = running.method(&head.func)?;
    let own = method
        .timeout
        .map_or(running.timeout, |own| own.min(running.timeout));
    let caller = match head.timeout {
        0 => NEVER,
        millis => Duration::from_millis(millis.into()),
    };
    let deadline = Deadline {
        at: read_at + own.min(caller).min(NEVER),
        full_link: caller < own,
    };
    if deadline.at <= now {
        return Err(deadline.over());
    }
    let content = ContentType(head.content_type);
    let context = Context::new(head, attachment, deadline.at, Arc::clone(session));
    let handed = context.clone();
    // A handler may panic before it gives its future.
    let called = catch_unwind(AssertUnwindSafe(|| (method.handler)(handed, content, body)));
    let future = called.map_err(|panic| panicked(session, &*panic))?;
    Ok((AssertUnwindSafe(future).catch_unwind(), context, deadline))
}

/// The body as it was before its caller compressed it.
#[cold]
fn unpacked(head: &RequestProtocol, body: Bytes, max: usize) -> Result<Bytes, Failure> {
    let encoding = Encoding(head.content_encoding);
    decompress(encoding, body, max)
        .map_err(|error| Failure::framework(Code::SERVER_DECODE, error.to_string()))
}

impl Waiting {
    /// Waits for the handler, until the deadline or until the server will
    /// wait no longer; the handler is dropped then.
    pub(super) async fn finish(self) -> Reply {
        let Self {
            session,
            mut reply,
            mut future,
            context,
            deadline,
            began,
        } = self;
        let mut stop = session.running.stop.subscribe();
        let result = tokio::select! {
            biased;
            result = &mut future => result.unwrap_or_else(|panic| Err(panicked(&session, &*panic))),
            () = tokio::time::sleep_until(deadline.at) => Err(deadline.over()),
            // The sender is in the session, which is held here.
            _ = stop.wait_for(|stop| *stop == Stop::Abort) => {
                reply.aborted = true;
                Err(Failure::framework(Code::SERVER_SYSTEM, "the server has stopped"))
            }
        };
        // What the handler leaves behind may panic as well.
        let left = catch_unwind(AssertUnwindSafe(move || drop(future)));
        let result = match left {
            Ok(()) => result,
            Err(panic) => result.and(Err(panicked(&session, &*panic))),
        };
        reply.end(&session, &context, result, began.elapsed())
    }
}

impl Deadline {
    #[cold]
    fn over(self) -> Failure {
        if self.full_link {
            Failure::framework(Code::FULL_LINK_TIMEOUT, "the caller's time is over")
        } else {
            Failure::framework(Code::SERVER_TIMEOUT, "the time for the request is over")
        }
    }
}

impl Reply {
    /// A reply to this request, with nothing in it yet.
    #[inline]
    fn to(frame: &Frame, head: &RequestProtocol) -> Self {
        Self {
            id: frame.id,
            version: frame.version,
            head: ResponseProtocol {
                version: head.version,
                call_type: head.call_type,
                request_id: head.request_id,
                content_type: head.content_type,
                ..ResponseProtocol::default()
            },
            body: Bytes::new(),
            func: head.func.clone(),
            one_way: head.call_type == CallType::OneWay as i32,
            aborted: false,
        }
    }

    /// The reply of a handler that took so long.
    #[inline]
    fn end(
        mut self,
        session: &Session,
        context: &Context,
        result: Result<Bytes, Failure>,
        took: Duration,
    ) -> Self {
        session.running.latency.record(took);
        let Extras { meta, attachment } = context.take_extras();
        self.head.trans_info = meta;
        match result {
            Ok(body) => {
                self.body = body;
                let encoding = context.encoding();
                if encoding != Encoding::NONE {
                    self.pack(encoding);
                }
                if !attachment.is_empty() {
                    self.attach(&attachment);
                }
                self
            }
            Err(failure) => self.failed(session, failure),
        }
    }

    /// Compresses the body as the caller does, if it is worth it.
    #[cold]
    fn pack(&mut self, encoding: Encoding) {
        if self.body.len() < COMPRESS_FROM {
            return;
        }
        // It was spoken when the request was unpacked.
        if let Ok(Some(body)) = compress(encoding, &self.body) {
            self.body = body;
            self.head.content_encoding = encoding.0;
        }
    }

    #[cold]
    fn attach(&mut self, attachment: &[u8]) {
        // More than 4 GiB fit into no frame, which is told as it is encoded.
        self.head.attachment_size = u32::try_from(attachment.len()).unwrap_or(u32::MAX);
        self.body = [&self.body, attachment].concat().into();
    }

    #[cold]
    fn failed(mut self, session: &Session, failure: Failure) -> Self {
        session.running.count_error(failure.number());
        let method = String::from_utf8_lossy(&self.func);
        tracing::debug!(peer = %session.peer, %method, %failure, "request failed");
        self.head.ret = failure.code.0;
        self.head.func_ret = failure.func_code;
        self.head.error_msg = failure.message.into();
        self.body = Bytes::new();
        self
    }

    /// Appends the frame of the reply to `out`.
    #[inline]
    pub(super) fn encode(&self, out: &mut impl BufMut, max_frame: usize) {
        let Self {
            id,
            version,
            ref head,
            ref body,
            ..
        } = *self;
        if let Err(error) = frame::encode(out, id, version, head, body, max_frame) {
            self.encode_unfit(out, error);
        }
    }

    /// Appends the frame of an error instead of a reply that fits into none.
    #[cold]
    fn encode_unfit(&self, out: &mut impl BufMut, error: frame::FrameError) {
        tracing::warn!(method = %String::from_utf8_lossy(&self.func), %error, "reply fits no frame");
        let head = ResponseProtocol {
            ret: Code::SERVER_ENCODE.0,
            error_msg: error.to_string().into(),
            content_encoding: 0,
            attachment_size: 0,
            trans_info: Default::default(),
            ..self.head.clone()
        };
        frame::encode(out, self.id, self.version, &head, &[], usize::MAX)
            .expect("a short message fits");
    }
}

#[cold]
fn undecodable(session: &Session, frame: &Frame, error: Option<prost::DecodeError>) -> Reply {
    // The fixed head still tells which request it is.
    let head = RequestProtocol {
        request_id: frame.id,
        ..RequestProtocol::default()
    };
    let message = error.map_or_else(|| "there is no head".to_owned(), |error| error.to_string());
    Reply::to(frame, &head).failed(session, Failure::framework(Code::SERVER_DECODE, message))
}

#[cold]
fn panicked(session: &Session, panic: &(dyn Any + Send)) -> Failure {
    session.running.panics.fetch_add(1, Relaxed);
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let service = &*session.running.name;
    tracing::error!(
        service,
        panic = text.unwrap_or("not a text"),
        "handler panicked"
    );
    Failure::framework(Code::SERVER_SYSTEM, "the handler panicked")
}
