//! A task of an unlimited group: the future inline, one spawn each, no box.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::attempt::{self, discard};
use crate::engine::Engine;
use crate::shared::{Shared, Ticket};

pin_project_lite::pin_project! {
    /// Fields drop in this order: the future is gone before its slot is free.
    pub(crate) struct Task<F, E>
    where
        E: Send,
        E: 'static,
    {
        #[pin]
        future: Option<F>,
        started: bool,
        ticket: Ticket<E>,
    }
}

impl<F, E: Send + 'static> Task<F, E> {
    /// `shared` has a slot taken for this task.
    #[inline]
    pub(crate) fn new(shared: Arc<Shared<E>>, future: F) -> Self {
        Self {
            future: Some(future),
            started: false,
            ticket: Ticket::new(shared),
        }
    }
}

impl<F, E> Future for Task<F, E>
where
    F: Future<Output = Result<(), E>>,
    E: Send + 'static,
{
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let shared = &this.ticket.shared;
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        if !*this.started {
            *this.started = true;
            if shared.state.is_cancelled() {
                shared.state.count_not_started(1);
                shared.settle(discard(|| this.future.set(None)));
                this.ticket.leave();
                return Poll::Ready(());
            }
        }
        let outcome = ready!(attempt::poll(future, cx, shared.number()));
        shared.settle(outcome);
        shared.settle(discard(|| this.future.set(None)));
        this.ticket.leave();
        Poll::Ready(())
    }
}
