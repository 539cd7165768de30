//! Replies on their way from the workers to their connection.

use std::task::{Context, Waker};

use parking_lot::Mutex;

use super::reply::Reply;
use super::running::Running;
use crate::wire::buffers::{self, Buffer, WRITE};

/// Replies that go out with one write.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Held only while there is something in it.
    pub(super) buffer: Option<Buffer>,
    /// Requests that have ended with what is in the buffer.
    pub(super) ended: Ended,
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    /// Answered, or done when no answer is expected.
    pub(super) replied: u64,
    /// Aborted because the server would not wait any longer.
    pub(super) lost: u64,
}

impl Batch {
    /// Adds a reply; how many bytes it takes.
    pub(super) fn push(&mut self, reply: &Reply, running: &Running) -> usize {
        if reply.aborted {
            self.ended.lost += 1;
        } else {
            self.ended.replied += 1;
        }
        if reply.one_way {
            return 0;
        }
        let buffer = self.buffer.get_or_insert_with(|| buffers::get(WRITE));
        let before = buffer.len();
        let options = &running.options;
        if before + reply.len() > options.max_unwritten + options.max_in_flight_bytes {
            reply.encode_unread(buffer, running);
        } else {
            reply.encode(buffer, running);
        }
        buffer.len() - before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_none() && self.ended.sum() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.len())
    }
}

impl Ended {
    pub(super) fn sum(self) -> u64 {
        self.replied + self.lost
    }
}

/// What a connection is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serve.
    #[default]
    Open,
    /// Take in no more requests, and close when those there are have ended.
    Draining,
    /// As before, and what has come in part only is not waited for.
    Leaving,
    /// Close at once.
    Closing,
}

/// Where workers leave replies and the connection's task finds them.
///
/// Before it sleeps the task looks once more and leaves its waker, under one
/// lock; a worker adds a reply and takes the waker, under one lock. Either
/// the task sees the reply, or the worker sees the waker: no wake-up is lost,
/// and nobody pays for waking a task that is awake.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    taken_back: Load,
    /// The longest reply since the connection last looked.
    longest: usize,
    phase: Phase,
    closed: bool,
    waker: Option<Waker>,
    /// Whether a reply is worth waking for.
    wants_replies: bool,
}

/// Requests under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

/// What the connection's task has found in its outbox.
pub(super) struct Collected {
    /// Requests that have ended since the last time.
    pub(super) ended: Load,
    /// The longest reply among theirs.
    pub(super) longest: usize,
    pub(super) phase: Phase,
}

impl Outbox {
    /// A request of so many bytes has ended with this reply.
    pub(super) fn push(&self, reply: &Reply, bytes: usize, running: &Running) {
        let waker = {
            let mut state = self.0.lock();
            if state.closed {
                return;
            }
            let length = state.batch.push(reply, running);
            state.longest = state.longest.max(length);
            state.taken_back.requests += 1;
            state.taken_back.bytes += bytes;
            if state.wants_replies {
                state.waker.take()
            } else {
                None
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves the replies into `batch` if that is empty, and tells what else
    /// has changed.
    pub(super) fn collect(&self, batch: &mut Batch) -> Collected {
        let mut state = self.0.lock();
        if batch.is_empty() {
            std::mem::swap(batch, &mut state.batch);
        }
        Collected {
            ended: std::mem::take(&mut state.taken_back),
            longest: std::mem::take(&mut state.longest),
            phase: state.phase,
        }
    }

    /// Whether workers have left replies.
    pub(super) fn has_replies(&self) -> bool {
        !self.0.lock().batch.is_empty()
    }

    /// Leaves the waker, unless there is something new already: `false` then.
    /// Replies are nothing new to a connection that has to write others first.
    pub(super) fn park(&self, known: Phase, wants_replies: bool, cx: &Context<'_>) -> bool {
        let mut state = self.0.lock();
        // Replies may have been left behind when others were being written.
        let replies = state.taken_back != Load::default() || !state.batch.is_empty();
        if state.phase != known || (wants_replies && replies) {
            return false;
        }
        state.wants_replies = wants_replies;
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        true
    }

    /// Tells the connection what to do, if that is more than it was told.
    pub(super) fn enter(&self, phase: Phase) {
        let waker = {
            let mut state = self.0.lock();
            state.phase = state.phase.max(phase);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nobody sends the replies from now on; those that were left here.
    pub(super) fn close(&self) -> Batch {
        let mut state = self.0.lock();
        state.closed = true;
        state.waker = None;
        std::mem::take(&mut state.batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use bytes::Bytes;
    use tokio::sync::watch;

    use super::*;
    use crate::server::failure::Failure;
    use crate::server::reply;
    use crate::server::running::{ServerOptions, Stop};
    use crate::server::service::Service;
    use crate::server::session::Session;
    use crate::wire::Code;

    #[tokio::test]
    async fn who_finds_a_reply_while_writing_another_does_not_sleep_over_it() {
        let service = Service::new("Echo", "rpcdemo.Echo");
        let peer = ([127, 0, 0, 1], 1).into();
        let stop = watch::Sender::new(Stop::No);
        let running = Running::new(service, peer, ServerOptions::default(), stop);
        let session = Session::new(Arc::new(running), peer);
        let mut frame = bytes::BytesMut::new();
        let head = crate::wire::RequestProtocol::default();
        crate::wire::frame::encode(&mut frame, 7, 1, &head, b"", 100).unwrap();
        let frame = frame.freeze();
        let reply = |frame: &Bytes| {
            let failure = Failure::framework(Code::SERVER_SYSTEM, "a reply");
            reply::refuse(&session, frame.clone(), failure)
        };
        let cx = Context::from_waker(Waker::noop());

        let mut writing = Batch::default();
        session.reply(&reply(&frame), frame.len());
        session.outbox.collect(&mut writing);
        assert_eq!(writing.ended.sum(), 1);
        // While that is being written a worker leaves another, and its end is
        // taken note of.
        session.reply(&reply(&frame), frame.len());
        let found = session.outbox.collect(&mut writing);
        assert_eq!((found.ended.requests, writing.ended.sum()), (1, 1));
        assert!(
            session.outbox.park(Phase::Open, false, &cx),
            "the socket wakes it"
        );
        writing = Batch::default();
        assert!(!session.outbox.park(Phase::Open, true, &cx));
        session.outbox.collect(&mut writing);
        assert_eq!(writing.ended.sum(), 1);
        assert!(session.outbox.park(Phase::Open, true, &cx));
    }
}
