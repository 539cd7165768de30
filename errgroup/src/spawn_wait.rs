//! The wait for a slot.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::current;
use crate::engine::Engine;
use crate::error::SpawnError;
use crate::handle::Handle;
use crate::span::Span;
use crate::state::Entry;
use crate::word::Reserved;

/// Future of [`Handle::spawn_wait`](crate::Handle::spawn_wait).
#[must_use = "the task is not spawned unless this is awaited"]
pub struct SpawnWait<'a, F, E: Send + 'static> {
    handle: &'a Handle<E>,
    /// Taken when this is ready. Not polled here, hence not pinned.
    task: Option<F>,
    number: Option<u64>,
}

impl<F, E: Send + 'static> Unpin for SpawnWait<'_, F, E> {}

impl<'a, F, E: Send + 'static> SpawnWait<'a, F, E> {
    pub(crate) fn new(handle: &'a Handle<E>, task: F) -> Self {
        Self {
            handle,
            task: Some(task),
            number: None,
        }
    }

    fn take(&mut self) -> F {
        self.task.take().expect("polled after it was ready")
    }

    fn forget(&mut self) {
        if let Some(number) = self.number.take() {
            self.handle.shared.state.forget_caller(number);
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
        let this = &mut *self;
        if this.number.is_none() {
            match this.handle.enter() {
                Entry::Admitted => {
                    this.handle.start(this.take());
                    return Poll::Ready(Ok(()));
                }
                Entry::Cancelled => return Poll::Ready(Err(SpawnError::Cancelled(this.take()))),
                Entry::Limited | Entry::Changed => {}
            }
        }
        let shared = &this.handle.shared;
        shared.remember_runtime();
        let span = Span::here();
        let reserved = if current::is(shared.number()) {
            shared.state.reserve()
        } else {
            ready!(shared.state.poll_reserve(&mut this.number, cx))
        };
        Poll::Ready(match reserved {
            Reserved::Room { start } => {
                let job = this.handle.shared.job(span, this.take());
                this.handle.shared.push(job, start);
                Ok(())
            }
            Reserved::Full | Reserved::Cancelled => {
                this.forget();
                Err(SpawnError::Cancelled(this.take()))
            }
        })
    }
}

impl<F, E: Send + 'static> Drop for SpawnWait<'_, F, E> {
    fn drop(&mut self) {
        self.forget();
    }
}

impl<F, E: Send + 'static> fmt::Debug for SpawnWait<'_, F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnWait").finish_non_exhaustive()
    }
}
