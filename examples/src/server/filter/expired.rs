//! The deadline of a request.

use std::pin::Pin;
use std::task::{self, Poll};

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};
use tower::Service;

use crate::server::context::Deadline;
use crate::server::failure::Failure;
use crate::server::handler::Request;

/// Ends a request whose time is over with code 21 (the server's time) or 24
/// (the caller's), and drops its handler.
///
/// There is a timer only once a handler waits for something.
#[derive(Clone, Debug)]
pub struct Expired<S>(pub(super) S);

impl<S> Service<Request> for Expired<S>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = InTime<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let deadline = request.context.limit();
        InTime {
            future: self.0.call(request),
            timer: None,
            deadline,
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Expired`].
    pub struct InTime<F> {
        #[pin]
        future: F,
        // Boxed: it is large, and seldom there.
        timer: Option<Pin<Box<Sleep>>>,
        deadline: Deadline,
    }
}

impl<F: Future<Output = Result<Bytes, Failure>>> Future for InTime<F> {
    type Output = Result<Bytes, Failure>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.future.poll(cx) {
            return Poll::Ready(result);
        }
        let at = this.deadline.at;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().poll(cx).map(|()| Err(this.deadline.over()))
    }
}
