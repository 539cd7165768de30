//! Who may call.

use std::task::{self, Poll};

use bytes::Bytes;
use futures::future::Either;
use tower::{Layer, Service};

use crate::server::context::Context;
use crate::server::failure::Failure;
use crate::server::handler::Request;

/// A layer that asks `allow` before each request is handled; a failure, such
/// as one with [`Code::SERVER_AUTH`](crate::wire::Code::SERVER_AUTH), is told
/// to the caller in place of an answer.
///
/// ```
/// use rpc_demo::server::filter::auth;
/// use rpc_demo::server::{Context, Failure, Service};
/// use rpc_demo::wire::Code;
///
/// let service = Service::new("Vault", "demo.Vault")
///     .layer(auth(|context: &Context| match context.metadata().get("token") {
///         Some(token) if token == "open sesame" => Ok(()),
///         _ => Err(Failure::framework(Code::SERVER_AUTH, "say the word")),
///     }))
///     .raw("Open", |_, body| async move { Ok(body) });
/// # drop(service);
/// ```
pub fn auth<A>(allow: A) -> AuthLayer<A>
where
    A: Fn(&Context) -> Result<(), Failure> + Clone + Send + Sync + 'static,
{
    AuthLayer(allow)
}

/// The layer that [`auth`] gives.
#[derive(Clone, Copy, Debug)]
pub struct AuthLayer<A>(A);

impl<S, A: Clone> Layer<S> for AuthLayer<A> {
    type Service = Auth<S, A>;

    fn layer(&self, inner: S) -> Auth<S, A> {
        Auth {
            inner,
            allow: self.0.clone(),
        }
    }
}

/// Asks before it lets a request through.
#[derive(Clone, Debug)]
pub struct Auth<S, A> {
    inner: S,
    allow: A,
}

impl<S, A> Service<Request> for Auth<S, A>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
    A: Fn(&Context) -> Result<(), Failure>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = Either<S::Future, std::future::Ready<Result<Bytes, Failure>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match (self.allow)(&request.context) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(failure) => Either::Right(std::future::ready(Err(failure))),
        }
    }
}
