//! Overload: who has waited too long already is told at once.

use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use tower::{Layer, Service};

use crate::server::failure::Failure;
use crate::server::handler::Request;
use crate::wire::Code;

/// A layer that answers a request with code 22 when it has waited for longer
/// than this between its reading and its turn: the callers of an overloaded
/// server hear so while they still care, and its workers catch up.
///
/// (A request that finds no place to wait is answered with code 22 by the
/// connection, before any filter.)
#[derive(Clone, Copy, Debug)]
pub struct ShedLateLayer(pub Duration);

impl<S> Layer<S> for ShedLateLayer {
    type Service = ShedLate<S>;

    fn layer(&self, inner: S) -> ShedLate<S> {
        ShedLate {
            inner,
            most: self.0,
        }
    }
}

/// Sheds requests that have waited for too long.
#[derive(Clone, Debug)]
pub struct ShedLate<S> {
    inner: S,
    most: Duration,
}

impl<S> Service<Request> for ShedLate<S>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = Either<S::Future, std::future::Ready<Result<Bytes, Failure>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let waited = request.context.waited();
        if waited <= self.most {
            return Either::Left(self.inner.call(request));
        }
        let message = format!("has waited for {waited:?} already");
        let failure = Failure::framework(Code::SERVER_OVERLOAD, message);
        Either::Right(std::future::ready(Err(failure)))
    }
}
