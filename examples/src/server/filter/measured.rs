//! The outermost filter: how a request ended, and when.

use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::panic_guard::{Fault, caught};
use crate::server::failure::Failure;

/// How a request ended, for the figures of its service.
#[derive(Debug)]
pub(in crate::server) struct Outcome {
    pub(in crate::server) result: Result<Bytes, Failure>,
    pub(in crate::server) at: Instant,
    /// The handler panicked, or what it left behind did.
    pub(in crate::server) panicked: bool,
}

pin_project_lite::pin_project! {
    /// Runs a request, and drops all that is left of it as soon as it has
    /// ended, so that its memory can be used for the next one.
    pub(in crate::server) struct Measured<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> Measured<F> {
    #[inline]
    pub(super) fn new(future: F) -> Self {
        Self {
            future: Some(future),
        }
    }
}

impl<F: Future<Output = Result<Bytes, Fault>>> Future for Measured<F> {
    type Output = Outcome;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Outcome> {
        let mut future = self.project().future;
        let running = future.as_mut().as_pin_mut().expect("not polled again");
        let result = ready!(running.poll(cx));
        let left = caught(|| future.set(None));
        let panicked = left.is_none() || matches!(result, Err(Fault::Panicked));
        let result = match (result, left) {
            (Ok(_), None) => Err(Fault::Panicked.failure()),
            (result, _) => result.map_err(Fault::failure),
        };
        Poll::Ready(Outcome {
            result,
            at: Instant::now(),
            panicked,
        })
    }
}
