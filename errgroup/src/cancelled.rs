//! The wait for the cancel.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::shared::Shared;

/// Future of [`Handle::cancelled`](crate::Handle::cancelled).
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled<'a, E: Send + 'static> {
    shared: &'a Arc<Shared<E>>,
    key: Option<usize>,
}

impl<'a, E: Send + 'static> Cancelled<'a, E> {
    pub(crate) fn new(shared: &'a Arc<Shared<E>>) -> Self {
        Self { shared, key: None }
    }
}

impl<E: Send + 'static> Future for Cancelled<'_, E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.state.poll_cancelled(&mut this.key, cx)
    }
}

impl<E: Send + 'static> Drop for Cancelled<'_, E> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.state.forget_cancelled(key);
        }
    }
}

impl<E: Send + 'static> fmt::Debug for Cancelled<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").finish_non_exhaustive()
    }
}
