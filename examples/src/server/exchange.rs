//! One request, from its frame to its reply.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::context::{Context, Deadline};
use super::failure::Failure;
use super::filter::{Outcome, caught};
use super::handler::Request;
use super::method::{Figures, Slot};
use super::reply::{self, Reply};
use super::running::{Running, Stop};
use super::session::Session;
use super::slow::{self, Times};
use crate::wire::protocol::Incoming;
use crate::wire::{Code, RequestProtocol};

/// A time that is never over, as far as anybody here is concerned.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What handling a request needs memory for, to be used for one after another.
#[derive(Default)]
pub(super) struct Exchange {
    context: Context,
    /// What is known of it.
    reply: Reply,
    slot: Slot,
    /// Of the method that was called last.
    figures: Option<Arc<Figures>>,
    /// A request is under way in it.
    busy: bool,
}

impl Exchange {
    /// Handles a request to its end, on a worker that has just taken it.
    pub(super) async fn answer(&mut self, session: &Arc<Session>, frame: Bytes, read_at: Instant) {
        let mut now = Instant::now();
        session.running.waited.record(now - read_at);
        let mut frame = Some(frame);
        let begun = poll_fn(|cx| {
            let frame = frame.take().unwrap_or_default();
            Poll::Ready(self.begin(cx, session, frame, read_at, &mut now))
        });
        if begun.await.is_pending() {
            Box::pin(self.finish()).await;
        }
    }

    /// The reply, when the request has been handled to its end.
    #[inline]
    pub(super) fn reply(&self) -> &Reply {
        &self.reply
    }

    /// As [`reply`](Self::reply).
    #[inline]
    pub(super) fn take_reply(&mut self) -> Reply {
        std::mem::take(&mut self.reply)
    }

    /// Calls the handler and polls it once, which is all that most need; if it has to
    /// wait, [`finish`](Self::finish) it.
    ///
    /// `now` is a time that has just been, and is set anew: one look at the
    /// clock a request.
    #[inline]
    pub(super) fn begin(
        &mut self,
        cx: &mut task::Context<'_>,
        session: &Arc<Session>,
        frame: Bytes,
        read_at: Instant,
        now: &mut Instant,
    ) -> Poll<()> {
        self.reply.reset();
        let head = self.context.begin(session);
        let Incoming { id, version, body } = match session.running.codec.decode(frame, head) {
            Ok(incoming) => incoming,
            Err(error) => {
                self.reply = reply::undecodable(session, error);
                self.context.end();
                return Poll::Ready(());
            }
        };
        self.reply.begin(id, version, head);
        if let Err(failure) = self.call(&session.running, body, read_at, *now) {
            self.tell_if_slow(session, *now - read_at, failure.number());
            let method = &self.context.head().func;
            self.reply.fail(session, method, failure);
            self.context.end();
            return Poll::Ready(());
        }
        match self.slot.poll(cx) {
            Poll::Ready(outcome) => {
                *now = outcome.at;
                self.end(outcome);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.busy = true;
                Poll::Pending
            }
        }
    }

    /// Checks the request and calls its handler.
    #[inline]
    fn call(
        &mut self,
        running: &Running,
        mut body: Bytes,
        read_at: Instant,
        now: Instant,
    ) -> Result<(), Failure> {
        let head = self.context.head();
        let Some(length) = body.len().checked_sub(head.attachment_size as usize) else {
            return Err(attachment_too_long(head, &body));
        };
        let attachment = if length < body.len() {
            body.split_off(length)
        } else {
            Bytes::new()
        };
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
        self.context.settle(attachment, read_at, now, deadline);
        // Mostly of the same method as the last one: then no count is touched.
        let same = |last: &Arc<Figures>| Arc::ptr_eq(last, &method.figures);
        if !self.figures.as_ref().is_some_and(same) {
            self.figures = Some(Arc::clone(&method.figures));
        }
        let context = self.context.clone();
        method.call.call(Request { context, body }, &mut self.slot);
        Ok(())
    }

    /// Waits for the handler, or until the server will wait no longer; it is
    /// dropped then.
    pub(super) async fn finish(&mut self) {
        let session = Arc::clone(self.context.session());
        let mut stop = session.running.stop.subscribe();
        let outcome = tokio::select! {
            biased;
            outcome = poll_fn(|cx| self.slot.poll(cx)) => outcome,
            // The sender is in the session, which is held here.
            _ = stop.wait_for(|stop| *stop == Stop::Abort) => {
                self.reply.aborted = true;
                Outcome {
                    result: Err(Failure::framework(Code::SERVER_SYSTEM, "the server has stopped")),
                    at: Instant::now(),
                    panicked: caught(|| self.slot.abort()).is_none(),
                }
            }
        };
        self.busy = false;
        self.end(outcome);
    }

    /// Makes up the reply of a request that ended so.
    #[inline]
    fn end(&mut self, outcome: Outcome) {
        let Outcome {
            result,
            at,
            panicked,
        } = outcome;
        let extras = self.context.take_extras();
        let session = self.context.session();
        let running = &session.running;
        let ran = at - self.context.began();
        if let Some(figures) = &self.figures {
            figures.ended(ran, result.is_err());
        }
        if panicked {
            running.count_panic();
        }
        let took = self.context.took(at);
        if took > running.slow {
            let code = result.as_ref().map_or_else(Failure::number, |_| Code::OK.0);
            let waited = self.context.waited();
            let ran = took.saturating_sub(waited);
            self.tell_slow(&Times { waited, ran }, code);
        }
        let (reply, head) = (&mut self.reply, self.context.head());
        let answered = result.is_ok();
        match result {
            Ok(body) => reply.body = body,
            Err(failure) => reply.fail(session, &head.func, failure),
        }
        if let Some(extras) = extras {
            reply.add(*extras, answered.then_some(head.content_encoding));
        }
        self.context.end();
    }

    /// One that has not been called may have waited for too long.
    #[cold]
    fn tell_if_slow(&self, session: &Session, waited: Duration, code: i32) {
        if waited > session.running.slow {
            let ran = Duration::ZERO;
            self.tell_slow(&Times { waited, ran }, code);
        }
    }

    #[cold]
    fn tell_slow(&self, times: &Times, code: i32) {
        let context = &self.context;
        let id = || context.request_id();
        slow::tell(context.session(), context.head(), id, times, code);
    }

    /// Nothing is left of any request.
    #[inline]
    pub(super) fn reset(&mut self) {
        if self.busy {
            self.busy = false;
            // A handler that panics as it is dropped hurts nobody.
            let _ = caught(|| self.slot.abort());
            // What it wanted to be sent along is not for who comes next.
            self.context.take_extras();
            self.context.end();
        }
        self.context.release();
        self.reply.reset();
    }
}

#[cold]
fn attachment_too_long(head: &RequestProtocol, body: &Bytes) -> Failure {
    let (attachment, body) = (head.attachment_size, body.len());
    let message = format!("attachment of {attachment} bytes in a body of {body}");
    Failure::framework(Code::SERVER_DECODE, message)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::BytesMut;
    use tokio::sync::watch;

    use super::*;
    use crate::server::running::ServerOptions;
    use crate::server::service::Service;
    use crate::wire::frame;

    #[tokio::test]
    async fn what_a_dropped_request_wanted_to_say_is_not_said_to_the_next_one() {
        let service = Service::new("Echo", "rpcdemo.Echo")
            .raw("Echo", |_, body| async { Ok(body) })
            .raw("Never", |context: Context, _| async move {
                context.set_metadata("secret", "of the first");
                context.set_attachment("of the first");
                drop(context);
                std::future::pending().await
            });
        let (stop, peer) = (watch::Sender::new(Stop::No), ([127, 0, 0, 1], 1).into());
        let running = Running::new(service, peer, ServerOptions::default(), stop);
        let session = Session::new(Arc::new(running), peer);
        let session = Arc::new(session);
        let request = |method: &'static str| {
            let mut frame = BytesMut::new();
            let head = RequestProtocol {
                func: Bytes::from_static(method.as_bytes()),
                ..RequestProtocol::default()
            };
            frame::encode(&mut frame, 7, 1, &head, b"body", 100).unwrap();
            frame.freeze()
        };
        let mut exchange = Exchange::default();
        let begin = |exchange: &mut Exchange, method| {
            let (mut now, mut cx) = (Instant::now(), task::Context::from_waker(Waker::noop()));
            exchange.begin(&mut cx, &session, request(method), now, &mut now)
        };
        assert!(begin(&mut exchange, "/rpcdemo.Echo/Never").is_pending());
        exchange.reset();
        assert!(begin(&mut exchange, "/rpcdemo.Echo/Echo").is_ready());
        let reply = exchange.reply();
        assert!(reply.head.trans_info.is_empty(), "{reply:?}");
        assert_eq!(reply.body, "body");
    }
}
