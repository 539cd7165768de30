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
    S: Service<Request, Response = Bytes, Error = Failure> + Clone,
{
    type Response = Bytes;
    type Error = Fault;
    type Future = Guarded<S, S::Future>;

    /// Always: whether the guarded one is ready is asked by the future, where that is
    /// guarded, too.
    #[inline]
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        self.guard(request)
    }
}

impl<S: Service<Request> + Clone> PanicGuard<S> {
    /// The future of a request, which has not been begun.
    #[inline]
    pub(super) fn guard(&self, request: Request) -> Guarded<S, S::Future> {
        Guarded::Waits {
            service: self.0.clone(),
            request: Some(request),
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`PanicGuard`]. What it guards is called where it will run, not
    /// moved there: futures of a chain of filters are large.
    #[project = GuardedProjection]
    pub(in crate::server) enum Guarded<S, F> {
        /// Until the service is ready.
        Waits {
            service: S,
            request: Option<Request>,
        },
        /// It has been called.
        Runs {
            #[pin]
            future: F,
        },
    }
}

impl<S, F> Future for Guarded<S, F>
where
    S: Service<Request, Response = Bytes, Error = Failure, Future = F>,
    F: Future<Output = Result<Bytes, Failure>>,
{
    type Output = Result<Bytes, Fault>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let polled = caught(|| {
            loop {
                match self.as_mut().project() {
                    GuardedProjection::Waits { service, request } => {
                        ready!(service.poll_ready(cx))?;
                        // A handler may panic before it gives its future.
                        let request = request.take().expect("called once");
                        let future = service.call(request);
                        self.set(Self::Runs { future });
                    }
                    GuardedProjection::Runs { future } => return future.poll(cx),
                }
            }
        });
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
