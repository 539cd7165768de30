//! A runner of a limited group: a tokio task that holds one slot and runs task
//! after task in it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::attempt::{self, discard};
use crate::shared::{Job, Shared, Ticket};

/// Tasks that one poll of a runner finishes before it lets the runtime's other
/// tasks have the thread.
const BURST: usize = 64;

pub(crate) struct Runner<E: Send + 'static> {
    /// Before `ticket`: the task is gone before its slot is free.
    job: Option<Job<E>>,
    started: bool,
    ticket: Ticket<E>,
}

impl<E: Send + 'static> Runner<E> {
    /// `shared` has a slot taken for this runner.
    pub(crate) fn new(shared: Arc<Shared<E>>, job: Job<E>) -> Self {
        Self {
            job: Some(job),
            started: false,
            ticket: Ticket::new(shared),
        }
    }

    /// Brings the current task to its end.
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.ticket.shared;
        let Some(job) = &mut self.job else {
            return Poll::Ready(());
        };
        if !self.started && shared.state.is_cancelled() {
            shared.state.count_not_started(1);
        } else {
            self.started = true;
            let outcome = ready!(attempt::poll(job.as_mut(), cx, shared.number()));
            shared.settle(outcome);
        }
        let job = self.job.take();
        shared.settle(discard(|| drop(job)));
        Poll::Ready(())
    }
}

impl<E: Send + 'static> Future for Runner<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..BURST {
            ready!(self.poll_job(cx));
            self.job = self.ticket.shared.state.next();
            self.started = false;
            if self.job.is_none() {
                self.ticket.forget();
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
