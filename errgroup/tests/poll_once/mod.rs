//! Polls a future once and says what it answered.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

pub(crate) async fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
