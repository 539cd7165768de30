//! Replies, and those to requests that are not handled.

use bytes::Bytes;
use pool_worker::overload::Level;

use super::context::Extras;
use super::failure::Failure;
use super::running::Running;
use super::session::Session;
use crate::sampled;
use crate::urgency;
use crate::wire::buffers::Buffer;
use crate::wire::head::STOPPING;
use crate::wire::protocol::{Incoming, Outgoing, Undecodable};
use crate::wire::{CallType, Code, FrameError, RequestProtocol, ResponseProtocol};

/// A reply, ready to be encoded.
#[derive(Debug, Default)]
pub(super) struct Reply {
    id: u32,
    version: u8,
    pub(super) head: ResponseProtocol,
    pub(super) body: Bytes,
    /// The caller expects none.
    pub(super) one_way: bool,
    /// The handler was dropped because the server would not wait.
    pub(super) aborted: bool,
}

impl Reply {
    /// A reply to this request, with nothing in it yet.
    fn to(id: u32, version: u8, head: &RequestProtocol) -> Self {
        let mut reply = Self::default();
        reply.begin(id, version, head);
        reply
    }

    /// Makes this, in which there is nothing, the reply to this request.
    #[inline]
    pub(super) fn begin(&mut self, id: u32, version: u8, head: &RequestProtocol) {
        (self.id, self.version) = (id, version);
        self.head.version = head.version;
        self.head.call_type = head.call_type;
        self.head.request_id = head.request_id;
        self.head.content_type = head.content_type;
        self.one_way = head.call_type == CallType::OneWay as i32;
    }

    /// There is nothing in it any more.
    #[inline]
    pub(super) fn reset(&mut self) {
        self.head.reset();
        self.body = Bytes::new();
        (self.one_way, self.aborted) = (false, false);
    }

    /// Tells the caller what is let in now.
    #[inline]
    pub(super) fn tell_admitted(&mut self, level: Level) {
        urgency::tell_admitted(&mut self.head.trans_info, level);
    }

    /// Sends along what the handler wants to. With an error that is its metadata alone; an
    /// answer may be packed, in the request's encoding.
    #[cold]
    pub(super) fn add(&mut self, extras: Extras, encoding: Option<u32>) {
        self.head.trans_info = extras.meta;
        let Some(encoding) = encoding else { return };
        if extras.packed {
            self.head.content_encoding = encoding;
        }
        if !extras.attachment.is_empty() {
            // More than 4 GiB fit into no frame, which is told as it is encoded.
            let length = extras.attachment.len();
            self.head.attachment_size = u32::try_from(length).unwrap_or(u32::MAX);
            self.body = [&self.body[..], &extras.attachment].concat().into();
        }
    }

    #[cold]
    pub(super) fn fail(&mut self, session: &Session, method: &[u8], failure: Failure) {
        session.running.count_failed(method, failure.number());
        let method = String::from_utf8_lossy(method);
        tracing::debug!(peer = %session.peer, %method, %failure, "request failed");
        self.head.ret = failure.code.0;
        self.head.func_ret = failure.func_code;
        self.head.error_msg = failure.message.into();
        self.body = Bytes::new();
    }

    /// Appends the frame of the reply to `out`.
    #[inline]
    pub(super) fn encode(&self, out: &mut Buffer, running: &Running) {
        let reply = Outgoing {
            id: self.id,
            version: self.version,
            head: &self.head,
            body: &self.body,
        };
        let encoded = running.codec.encode(out, &reply, running.options.max_frame);
        if let Err(error) = encoded {
            self.encode_unfit(out, running, error);
        }
    }

    /// How many bytes it takes, but for its head.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// Appends the frame of an error instead of a reply that fits into none.
    #[cold]
    fn encode_unfit(&self, out: &mut Buffer, running: &Running, error: FrameError) {
        sampled!(10, warn, service = %running.name, %error, "reply fits no frame");
        self.encode_error(out, running, Code::SERVER_ENCODE, error.to_string());
    }

    /// Appends the frame of an error instead of a reply to a peer that leaves
    /// too much unread. Its request has been handled, so the code is none that says it may
    /// be made again.
    #[cold]
    pub(super) fn encode_unread(&self, out: &mut Buffer, running: &Running) {
        running.count_error(Code::SERVER_SYSTEM.0);
        let message = "too many bytes of replies are unread".to_owned();
        self.encode_error(out, running, Code::SERVER_SYSTEM, message);
    }

    fn encode_error(&self, out: &mut Buffer, running: &Running, code: Code, message: String) {
        let head = ResponseProtocol {
            ret: code.0,
            func_ret: 0,
            error_msg: message.into(),
            content_encoding: 0,
            attachment_size: 0,
            trans_info: Default::default(),
            ..self.head.clone()
        };
        let reply = Outgoing {
            id: self.id,
            version: self.version,
            head: &head,
            body: &[],
        };
        let encoded = running.codec.encode(out, &reply, usize::MAX);
        encoded.expect("a short message fits");
    }
}

/// The reply to a request that is not handled.
#[cold]
pub(super) fn refuse(session: &Session, frame: Bytes, failure: Failure) -> Reply {
    let mut head = RequestProtocol::default();
    let decoded = session.running.codec.decode(frame, &mut head);
    let (id, version) = match &decoded {
        Ok(Incoming { id, version, .. }) => (*id, *version),
        Err(Undecodable { id, version, .. }) => {
            head = nothing_but(*id);
            (*id, *version)
        }
    };
    let mut reply = Reply::to(id, version, &head);
    reply.fail(session, &head.func, failure);
    reply
}

/// The reply to a request that comes when the server is about to stop: it has
/// not been handled, and another server may be asked.
#[cold]
pub(super) fn stopping(session: &Session, frame: Bytes) -> Reply {
    let failure = Failure::framework(Code::SERVER_OVERLOAD, "the server is stopping");
    let mut reply = refuse(session, frame, failure);
    let told = Bytes::from_static(b"1");
    reply.head.trans_info.insert(STOPPING.to_owned(), told);
    reply
}

#[cold]
pub(super) fn undecodable(session: &Session, error: Undecodable) -> Reply {
    let Undecodable {
        id,
        version,
        reason,
    } = error;
    let head = nothing_but(id);
    let mut reply = Reply::to(id, version, &head);
    let failure = Failure::framework(Code::SERVER_DECODE, reason);
    reply.fail(session, &head.func, failure);
    reply
}

/// The head of a request of which no more is known.
fn nothing_but(id: u32) -> RequestProtocol {
    RequestProtocol {
        request_id: id,
        ..RequestProtocol::default()
    }
}
