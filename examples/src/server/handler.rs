//! Handlers: the innermost services of the chain.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use tower::Service;

use super::context::Context;
use super::failure::Failure;
use crate::wire::content::{self, Body, ContentError};
use crate::wire::{Code, ContentType};

/// A request, as the filters and the handler get it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request {
    /// What is known of it.
    pub context: Context,
    /// Its body; compressed, if it came so, until the last filter.
    pub body: Bytes,
}

/// A handler of bytes.
#[derive(Clone, Debug)]
pub struct Raw<F>(pub(super) F);

impl<F, R> Service<Request> for Raw<F>
where
    F: Fn(Context, Bytes) -> R,
    R: Future<Output = Result<Bytes, Failure>>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = R;

    #[inline]
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> R {
        (self.0)(request.context, request.body)
    }
}

/// A handler of messages.
pub struct Typed<F, Q> {
    handler: F,
    request: PhantomData<fn(Q)>,
}

impl<F, Q> Typed<F, Q> {
    pub(super) fn new(handler: F) -> Self {
        Self {
            handler,
            request: PhantomData,
        }
    }
}

impl<F: Clone, Q> Clone for Typed<F, Q> {
    fn clone(&self) -> Self {
        Self::new(self.handler.clone())
    }
}

impl<F, Q, A, R> Service<Request> for Typed<F, Q>
where
    F: Fn(Context, Q) -> R,
    R: Future<Output = Result<A, Failure>>,
    Q: Body,
    A: Body,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = Serialised<R>;

    #[inline]
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let content = request.context.content_type();
        match content::decode(content, request.body) {
            Ok(message) => Serialised::Runs {
                future: (self.handler)(request.context, message),
                content,
            },
            Err(error) => Serialised::Refused {
                failure: Some(failure(Code::SERVER_DECODE, &error)),
            },
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Typed`].
    #[project = SerialisedProjection]
    pub enum Serialised<R> {
        /// The request was read.
        Runs {
            #[pin]
            future: R,
            content: ContentType,
        },
        /// It could not be.
        Refused { failure: Option<Failure> },
    }
}

impl<A: Body, R: Future<Output = Result<A, Failure>>> Future for Serialised<R> {
    type Output = Result<Bytes, Failure>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SerialisedProjection::Runs { future, content } => {
                let answer = ready!(future.poll(cx));
                Poll::Ready(answer.and_then(|answer| {
                    content::encode(*content, &answer)
                        .map_err(|error| failure(Code::SERVER_ENCODE, &error))
                }))
            }
            SerialisedProjection::Refused { failure } => {
                Poll::Ready(Err(failure.take().expect("polled once")))
            }
        }
    }
}

#[cold]
fn failure(code: Code, error: &ContentError) -> Failure {
    Failure::framework(code, error.to_string())
}
