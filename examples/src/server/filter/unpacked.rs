//! Compressed bodies.

use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use tower::Service;

use crate::server::context::Context;
use crate::server::failure::Failure;
use crate::server::handler::Request;
use crate::wire::compress::{compress, decompress};
use crate::wire::{Code, Encoding};

/// Bodies of less are not compressed: it would not be worth it.
const COMPRESS_FROM: usize = 256;

/// Decompresses the body of a request, up to the longest frame that is let
/// in, and compresses the answer as the caller does.
#[derive(Clone, Debug)]
pub struct Unpacked<S>(pub(super) S);

impl<S> Service<Request> for Unpacked<S>
where
    S: Service<Request, Response = Bytes, Error = Failure>,
{
    type Response = Bytes;
    type Error = Failure;
    type Future = Repacked<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request) -> Self::Future {
        let packed = request.context.encoding() != Encoding::NONE;
        let context = packed.then(|| request.context.clone());
        if packed && let Err(failure) = unpack(&mut request) {
            return Repacked::Refused {
                failure: Some(failure),
            };
        }
        Repacked::Runs {
            future: self.0.call(request),
            context,
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Unpacked`].
    #[project = RepackedProjection]
    pub enum Repacked<F> {
        /// The body is as it was before it was compressed.
        Runs {
            #[pin]
            future: F,
            // Of a request that was compressed.
            context: Option<Context>,
        },
        /// It cannot be decompressed.
        Refused { failure: Option<Failure> },
    }
}

impl<F: Future<Output = Result<Bytes, Failure>>> Future for Repacked<F> {
    type Output = Result<Bytes, Failure>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            RepackedProjection::Runs { future, context } => {
                let result = ready!(future.poll(cx));
                Poll::Ready(match context {
                    None => result,
                    Some(context) => result.map(|body| pack(context, body)),
                })
            }
            RepackedProjection::Refused { failure } => {
                Poll::Ready(Err(failure.take().expect("polled once")))
            }
        }
    }
}

#[cold]
fn unpack(request: &mut Request) -> Result<(), Failure> {
    let body = std::mem::take(&mut request.body);
    let most = request.context.running().options.max_frame;
    request.body = decompress(request.context.encoding(), body, most)
        .map_err(|error| Failure::framework(Code::SERVER_DECODE, error.to_string()))?;
    Ok(())
}

#[cold]
fn pack(context: &Context, body: Bytes) -> Bytes {
    if body.len() < COMPRESS_FROM {
        return body;
    }
    // The encoding was spoken when the request was unpacked.
    match compress(context.encoding(), &body) {
        Ok(Some(packed)) => {
            context.say_packed();
            packed
        }
        _ => body,
    }
}
