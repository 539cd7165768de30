//! The recycled parameter of a pooled request (`handleParam` of trpc-go).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pool_object::{Loan, Policy, Pool, static_pool};
use tokio::time::Instant;

use super::context::{self, Deadline};
use super::exchange::Exchange;
use super::failure::Failure;
use super::reply::{self, Reply};
use super::session::Session;
use super::slow::{self, Times};
use crate::wire::{Code, RequestProtocol};

/// What a worker needs to handle a request. Its fields are set when it is
/// handed over, and reset when it goes back to its pool.
///
/// One that goes back without having been answered, because no worker took it
/// or its worker went away, still tells the caller.
#[derive(Default)]
pub(super) struct HandleParam {
    session: Option<Arc<Session>>,
    frame: Bytes,
    read_at: Option<Instant>,
    /// The memory that handling it takes.
    pub(super) exchange: Exchange,
}

/// A parameter that goes back to its pool when it is dropped, or one as it would be
/// without that pool.
pub(super) enum Param {
    Pooled(Loan<PARAMS>),
    Plain(Box<HandleParam>),
}

impl Deref for Param {
    type Target = HandleParam;

    #[inline]
    fn deref(&self) -> &HandleParam {
        match self {
            Self::Pooled(param) => param,
            Self::Plain(param) => param,
        }
    }
}

impl DerefMut for Param {
    #[inline]
    fn deref_mut(&mut self) -> &mut HandleParam {
        match self {
            Self::Pooled(param) => param,
            Self::Plain(param) => param,
        }
    }
}

#[derive(Debug)]
pub(super) struct Params;

impl Policy<HandleParam> for Params {
    fn create(&self) -> HandleParam {
        HandleParam::default()
    }

    #[inline]
    fn reset(&self, param: &mut HandleParam) -> bool {
        param.reset();
        true
    }
}

static_pool! {
    /// Where parameters come from and go back to.
    pub(super) static PARAMS: Pool<HandleParam, Params> = Pool::new(Params);
}

/// Whether parameters are made for one request each instead, see [`without_pool`].
static WITHOUT_POOL: AtomicBool = AtomicBool::new(false);

/// Has the process do without the pool from now on.
pub(super) fn without_pool() {
    WITHOUT_POOL.store(true, Ordering::Relaxed);
}

/// A parameter whose memory is wanted, for requests that are handled in line.
#[inline]
pub(super) fn blank() -> Param {
    if WITHOUT_POOL.load(Ordering::Relaxed) {
        Param::Plain(Box::default())
    } else {
        Param::Pooled(PARAMS.get())
    }
}

/// A parameter with its fields set.
#[inline]
pub(super) fn param(session: &Arc<Session>, frame: Bytes, read_at: Instant) -> Param {
    let mut param = blank();
    param.session = Some(Arc::clone(session));
    param.frame = frame;
    param.read_at = Some(read_at);
    param
}

/// Handles a request on a worker; what a service's pool runs.
pub(super) async fn handle(mut param: Param) {
    let param = &mut *param;
    let (Some(session), Some(read_at)) = (&param.session, param.read_at.take()) else {
        tracing::error!("a parameter without a request, should not happen");
        return;
    };
    let frame = param.frame.clone();
    param.exchange.answer(session, frame, read_at).await;
    let reply = param.exchange.take_reply();
    param.answer(reply);
}

impl HandleParam {
    /// What the request asks for, and until when it is of use.
    pub(super) fn head(&self) -> Option<(RequestProtocol, Deadline)> {
        let running = &self.session.as_ref()?.running;
        let mut head = RequestProtocol::default();
        running.codec.decode(self.frame.clone(), &mut head).ok()?;
        let caller = match head.timeout {
            0 => running.timeout,
            millis => Duration::from_millis(millis.into()),
        };
        let until = Deadline {
            at: self.read_at? + caller.min(running.timeout),
            full_link: caller < running.timeout,
        };
        Some((head, until))
    }

    fn answer(&mut self, mut reply: Reply) {
        if let Some(session) = self.session.take() {
            if let Some(workers) = &session.running.workers {
                reply.tell_admitted(workers.admitted());
            }
            session.reply(&reply, self.frame.len());
        }
    }

    /// Tells the caller that its request is not handled.
    #[cold]
    pub(super) fn refuse(&mut self, failure: Failure) {
        if let Some(session) = &self.session {
            self.tell_if_slow(session, failure.number());
            let reply = reply::refuse(session, self.frame.clone(), failure);
            self.answer(reply);
        }
    }

    /// One that no worker took may have waited for too long.
    fn tell_if_slow(&self, session: &Session, code: i32) {
        let Some(read_at) = self.read_at else { return };
        let waited = read_at.elapsed();
        if waited > session.running.slow
            && let Some((head, _)) = self.head()
        {
            let ran = Duration::ZERO;
            let id = || context::request_id(&head);
            slow::tell(session, &head, id, &Times { waited, ran }, code);
        }
    }

    #[inline]
    fn reset(&mut self) {
        if self.session.is_some() {
            self.refuse(Failure::framework(
                Code::SERVER_SYSTEM,
                "the request was not handled",
            ));
        }
        self.frame = Bytes::new();
        self.read_at = None;
        self.exchange.reset();
    }
}

/// Where the pool does not reset it: when a panic goes through its guard.
impl Drop for HandleParam {
    fn drop(&mut self) {
        self.reset();
    }
}
