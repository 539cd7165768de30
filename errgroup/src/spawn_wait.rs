//! The wait for a slot.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::error::SpawnError;
use crate::handle::Handle;
use crate::place::Caller;

/// Future of [`Handle::spawn_wait`](crate::Handle::spawn_wait).
#[must_use = "the task is not spawned unless this is awaited"]
pub struct SpawnWait<'a, F, E: Send + 'static> {
    caller: Caller<'a, E>,
    /// Taken when this is ready. Not polled here, hence not pinned.
    task: Option<F>,
}

impl<F, E: Send + 'static> Unpin for SpawnWait<'_, F, E> {}

impl<'a, F, E: Send + 'static> SpawnWait<'a, F, E> {
    pub(crate) fn new(handle: &'a Handle<E>, task: F) -> Self {
        Self {
            caller: Caller::new(handle),
            task: Some(task),
        }
    }
}

impl<F, E> Future for SpawnWait<'_, F, E>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Send + 'static,
{
    type Output = Result<(), SpawnError<F>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(self.task.is_some(), "polled after it was ready");
        let place = ready!(self.caller.poll_place(cx));
        let task = self.task.take().expect("was there");
        Poll::Ready(match place {
            Ok(place) => {
                self.caller.handle.fill(place, task);
                Ok(())
            }
            Err(reason) => Err(SpawnError::Cancelled(task, reason)),
        })
    }
}

impl<F, E: Send + 'static> fmt::Debug for SpawnWait<'_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWait").finish_non_exhaustive()
    }
}
