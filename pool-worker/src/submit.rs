//! Submitting to a pool that may be full, as a future that both engines wait
//! for in their own way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::dispatcher::{Dispatcher, Queued, Rejected};
use crate::error::Reason;

enum State<J> {
    /// Not yet offered since `since`.
    Here {
        job: J,
        since: u64,
    },
    /// In the line of blocked submitters, under this name.
    InLine(u64),
    Done,
}

/// Resolves when the job is accepted or cannot be. Dropped before, it takes
/// its job out of the line, so no slot and no wake-up is lost with it.
pub(crate) struct Submission<'a, J: Send + 'static> {
    dispatcher: &'a Arc<Dispatcher<J>>,
    state: State<J>,
}

impl<'a, J: Send + 'static> Submission<'a, J> {
    /// For a job that was offered and found the pool full.
    pub(crate) fn new(dispatcher: &'a Arc<Dispatcher<J>>, job: J) -> Self {
        Self::since(dispatcher, job, dispatcher.clock.now())
    }

    /// The same, where that was then.
    pub(crate) fn since(dispatcher: &'a Arc<Dispatcher<J>>, job: J, since: u64) -> Self {
        Self {
            dispatcher,
            state: State::Here { job, since },
        }
    }

    /// Ends the wait: the job comes back, unless it was accepted already.
    pub(crate) fn give_up(mut self) -> Result<(), Rejected<J>> {
        let rejected = match std::mem::replace(&mut self.state, State::Done) {
            State::Here { job, .. } => Some(Rejected {
                reason: Reason::Timeout,
                job,
            }),
            State::InLine(place) => self.dispatcher.leave_line(place, Reason::Timeout),
            State::Done => None,
        };
        match rejected {
            Some(rejected) => Err(self.dispatcher.reject(rejected)),
            None => Ok(()),
        }
    }
}

/// The job, if its submitter may wait for room, up to a time limit or for as
/// long as it takes. The latter is refused to a job of the same pool, which
/// could wait for itself.
pub(crate) fn to_wait<J: Send + 'static>(
    dispatcher: &Arc<Dispatcher<J>>,
    Rejected { mut reason, job }: Rejected<J>,
    limited: bool,
) -> Result<J, Rejected<J>> {
    if reason == Reason::Full {
        if limited || dispatcher.options.max_blocked == 0 || !dispatcher.identity.is_within() {
            return Ok(job);
        }
        reason = Reason::Nested;
    }
    Err(dispatcher.reject(Rejected { reason, job }))
}

// The job is moved, never pinned.
impl<J: Send + 'static> Unpin for Submission<'_, J> {}

impl<J: Send + 'static> Future for Submission<'_, J> {
    type Output = Result<(), Rejected<J>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match std::mem::replace(&mut self.state, State::Done) {
            State::Here { job, since } => match self.dispatcher.join_line(job, since, cx.waker()) {
                Ok(Queued::Accepted) => Ok(()),
                Ok(Queued::Blocked(place)) => {
                    self.state = State::InLine(place);
                    return Poll::Pending;
                }
                Err(rejected) => Err(rejected),
            },
            State::InLine(place) => match self.dispatcher.poll_line(place, cx.waker()) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => {
                    self.state = State::InLine(place);
                    return Poll::Pending;
                }
            },
            State::Done => panic!("polled after it was ready"),
        };
        Poll::Ready(outcome.map_err(|rejected| self.dispatcher.reject(rejected)))
    }
}

impl<J: Send + 'static> Drop for Submission<'_, J> {
    fn drop(&mut self) {
        if let State::InLine(place) = self.state {
            drop(self.dispatcher.leave_line(place, Reason::Timeout));
        }
    }
}
