//! The span of a request.

use bytes::Bytes;
use tower::Service;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Level, Span};

use crate::server::context::Context;
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
        // Asked first: where `tracing` also feeds `log`, a span that nobody
        // wants would still have its fields made, the id with its entropy.
        if !tracing::span_enabled!(Level::DEBUG) {
            return self.0.call(request).instrument(Span::none());
        }
        let span = span(&request.context);
        let future = span.in_scope(|| self.0.call(request));
        future.instrument(span)
    }
}

#[cold]
fn span(context: &Context) -> Span {
    let span = tracing::debug_span!(
        "request",
        id = %context.request_id(),
        span = %format_args!("{:016x}", context.span().span),
        parent = tracing::field::Empty,
        method = context.method(),
        peer = %context.peer(),
    );
    if let Some(parent) = context.parent() {
        span.record("parent", format_args!("{:016x}", parent.span).to_string());
    }
    span
}
