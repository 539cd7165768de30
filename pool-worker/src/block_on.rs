//! Waiting for a future on the current thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::sync;

/// The output, or `None` once `limit` has passed. A limit beyond what the
/// clock can tell is none.
pub(crate) fn block_on<F: Future + Unpin>(
    future: &mut F,
    limit: Option<Duration>,
) -> Option<F::Output> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let waker = sync::thread_waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Some(output);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => sync::park(None),
            Some(Duration::ZERO) => return None,
            Some(left) => sync::park(Some(left)),
        }
    }
}
