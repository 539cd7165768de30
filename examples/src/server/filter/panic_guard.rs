//! A handler that panics fails its own request, and nothing else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use tower::Service;

use crate::sampled;
use crate::server::failure::Failure;
use crate::server::handler::Request;
use crate::wire::Code;

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::server) enum Fault {
    /// The handler, or a filter, says so.
    Failed(Failure),
    /// One of them has panicked.
    Panicked,
}

/// Catches panics, in whatever part of the chain.
#[derive(Clone, Debug)]
pub(in crate::server) struct PanicGuard<S>(pub(super) S);

impl<S> Service<Request> for PanicGuard<S>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
{
    type Response = Bytes;
    type Error = Fault;
    type Future = Guarded<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Fault>> {
        caught(|| self.0.poll_ready(cx)).map_or(Poll::Ready(Err(Fault::Panicked)), |ready| {
            ready.map_err(Fault::Failed)
        })
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        // A handler may panic before it gives its future.
        Guarded {
            future: caught(|| self.0.call(request)),
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`PanicGuard`]; none, if the call has panicked.
    pub(in crate::server) struct Guarded<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future<Output = Result<Bytes, Failure>>> Future for Guarded<F> {
    type Output = Result<Bytes, Fault>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().future.as_pin_mut();
        let polled = polled.and_then(|future| caught(|| future.poll(cx)));
        let Some(polled) = polled else {
            return Poll::Ready(Err(Fault::Panicked));
        };
        Poll::Ready(ready!(polled).map_err(Fault::Failed))
    }
}

/// What `part` gives, unless it panics.
#[inline]
pub(in crate::server) fn caught<R>(part: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(part))
        .map_err(|panic| tell(&*panic))
        .ok()
}

#[cold]
fn tell(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    sampled!(
        100,
        error,
        panic = text.unwrap_or("not a text"),
        "handler panicked"
    );
}

impl Fault {
    /// What the caller is told.
    #[cold]
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Panicked => Failure::framework(Code::SERVER_SYSTEM, "the handler panicked"),
        }
    }
}
