//! A place in the group for one task, found before the task is put into it.

use std::task::{Context, Poll, ready};

use crate::carried::Carried;
use crate::cause::Reason;
use crate::current;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::word::Reserved;

/// Fill it at once: others wait for the task, and nothing that may panic or wait
/// comes in between.
pub(crate) struct Place {
    /// It came with a slot for a runner.
    start: bool,
    carried: Carried,
}

/// Why there is no place.
#[derive(Clone, Copy)]
pub(crate) enum NoPlace {
    Full,
    Cancelled(Reason),
}

impl<E: Send + 'static> Handle<E> {
    /// A place for a task that can start at once.
    #[inline]
    pub(crate) fn try_place(&self) -> Result<Place, NoPlace> {
        let carried = Carried::here();
        self.shared.remember_runtime();
        match self.shared.state.try_reserve() {
            Reserved::Room { start } => Ok(Place { start, carried }),
            Reserved::Full => Err(NoPlace::Full),
            Reserved::Cancelled => Err(NoPlace::Cancelled(self.shared.state.why())),
        }
    }

    #[inline]
    pub(crate) fn fill<F>(&self, place: Place, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let job = self.shared.job(place.carried, task);
        self.shared.push(job, place.start);
    }
}

/// A caller who waits for a place.
pub(crate) struct Caller<'a, E: Send + 'static> {
    pub(crate) handle: &'a Handle<E>,
    number: Option<u64>,
}

impl<'a, E: Send + 'static> Caller<'a, E> {
    pub(crate) fn new(handle: &'a Handle<E>) -> Self {
        Self {
            handle,
            number: None,
        }
    }

    #[inline]
    pub(crate) fn poll_place(&mut self, cx: &Context<'_>) -> Poll<Result<Place, Reason>> {
        let shared = &self.handle.shared;
        shared.remember_runtime();
        let carried = Carried::here();
        let reserved = if current::is(shared.number()) {
            shared.state.reserve()
        } else {
            ready!(shared.state.poll_reserve(&mut self.number, cx))
        };
        Poll::Ready(match reserved {
            Reserved::Room { start } => Ok(Place { start, carried }),
            Reserved::Full | Reserved::Cancelled => {
                self.forget();
                Err(shared.state.why())
            }
        })
    }

    fn forget(&mut self) {
        if let Some(number) = self.number.take() {
            self.handle.shared.state.forget_caller(number);
        }
    }
}

impl<E: Send + 'static> Drop for Caller<'_, E> {
    fn drop(&mut self) {
        self.forget();
    }
}
