//! The span of a request.

use bytes::Bytes;
use tower::Service;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::server::failure::Failure;
use crate::server::handler::Request;

/// Runs the request in a span of its own, `request`, at level debug; what the
/// handler logs is in it. Where nobody listens it costs next to nothing.
#[derive(Clone, Debug)]
pub struct Traced<S>(pub(super) S);

impl<S> Service<Request> for Traced<S>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = Instrumented<S::Future>;

    #[inline]
    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let context = &request.context;
        let span = tracing::debug_span!(
            "request",
            id = %context.request_id(),
            method = context.method(),
            peer = %context.peer(),
        );
        let future = span.in_scope(|| self.0.call(request));
        future.instrument(span)
    }
}
