//! What belongs to a request goes along into the tasks and calls it makes.

use std::task::{self, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use tower::{Layer, Service};

use crate::server::failure::Failure;
use crate::server::handler::Request;
use crate::traceparent::TRACEPARENT;
use crate::urgency;

/// A layer that runs each request in an [`errgroup::Context`] with its id, span and
/// deadline. Every task that the handler spawns into a group has it too, and a
/// [`Client`](crate::client::Client) sends id and span along, says that its call is as
/// [urgent](crate::urgency) as the request, and waits no longer than until the deadline.
///
/// A task that it spawns with `tokio::spawn` alone has none of that: no id, no deadline, no
/// span. `errgroup::Context::current()` is there to be taken along, and
/// [`run`](errgroup::Context::run) there.
///
/// It costs some allocations a request: for the future, for the context, for the span in
/// it, and for how urgent the request is, where its caller says so.
#[derive(Clone, Copy, Debug)]
pub struct CarriedLayer;

impl<S> Layer<S> for CarriedLayer {
    type Service = Carried<S>;

    fn layer(&self, inner: S) -> Carried<S> {
        Carried(inner)
    }
}

/// Runs requests in a context that goes along.
#[derive(Clone, Debug)]
pub struct Carried<S>(S);

impl<S> Service<Request> for Carried<S>
where
    S: Service<Request, Response = Bytes, Error = Failure, Future: Send + 'static>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Bytes, Failure>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let context = errgroup::Context::new(request.context.request_id().to_string())
            .until(request.context.deadline().into_std());
        let context = context.with(TRACEPARENT, request.context.span().to_string());
        let context = urgency::carried(request.context.metadata(), context);
        // The handler may spawn before it gives its future.
        let future = context.clone().call(|| self.0.call(request));
        Box::pin(context.run(future))
    }
}
