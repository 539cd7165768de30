//! A place in a scope for one task, found before the task is put into it.

use crate::carried::Carried;
use crate::cause::Reason;
use crate::current;
use crate::engine::Engine;
use crate::park::looking;
use crate::place::NoPlace;
use crate::scope::{Job, Scope};
use crate::word::Reserved;

/// A place for one task. Fill it at once: others wait for the task, and nothing that may
/// panic or wait comes in between.
pub(crate) struct Place {
    /// It came with a slot for a runner.
    start: bool,
    carried: Carried,
}

impl<'scope, E: Send + 'scope> Scope<'scope, '_, E> {
    /// A place for a task that can start at once.
    pub(crate) fn try_place(&self) -> Result<Place, NoPlace> {
        let carried = Carried::here();
        match self.shared.state.try_reserve() {
            Reserved::Room { start } => Ok(Place { start, carried }),
            Reserved::Full => Err(NoPlace::Full),
            Reserved::Cancelled => Err(NoPlace::Cancelled(self.shared.state.why())),
        }
    }

    /// Blocks until there is a place.
    pub(crate) fn place(&self) -> Result<Place, Reason> {
        let state = &self.shared.state;
        let carried = Carried::here();
        let mut number = None;
        let reserved = if current::is(self.number()) {
            state.reserve()
        } else {
            // A thread that blocks in a job cannot tell of room that was kept for
            // later, and the job may wait for what this caller does next.
            looking(|cx| state.poll_reserve(&mut number, cx))
        };
        match reserved {
            Reserved::Room { start } => Ok(Place { start, carried }),
            Reserved::Full | Reserved::Cancelled => {
                if let Some(number) = number {
                    state.forget_caller(number);
                }
                Err(state.why())
            }
        }
    }

    pub(crate) fn fill<F>(&self, place: Place, task: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'scope,
    {
        self.push(boxed(place.carried, task), place.start);
    }
}

/// A task as it waits in the queue.
pub(crate) fn boxed<'scope, E: 'scope>(
    carried: Carried,
    task: impl FnOnce() -> Result<(), E> + Send + 'scope,
) -> Job<'scope, E> {
    if carried.is_none() {
        return Box::new(task);
    }
    Box::new(move || carried.within(task))
}
