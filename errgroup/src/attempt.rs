//! One poll of a task, with its panic caught.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::cause::Cause;
use crate::panic::{self, caught};
use crate::{context, current};

/// How a task ended; the reason to cancel the group if it did not end well.
pub(crate) type Outcome<E> = Result<(), Cause<E>>;

/// Polls a task of the group of that number.
#[inline]
pub(crate) fn poll<E, F>(task: Pin<&mut F>, cx: &mut Context<'_>, group: usize) -> Poll<Outcome<E>>
where
    F: Future<Output = Result<(), E>> + ?Sized,
{
    let _entered = (current::enter(group), context::outside());
    panic::forget_last();
    match caught(|| task.poll(cx)) {
        Ok(polled) => polled.map_err(Cause::Error),
        Err(panic) => Poll::Ready(Err(Cause::Panicked(panic))),
    }
}

/// Runs a job of the scope of that number.
#[inline]
pub(crate) fn call<E>(job: impl FnOnce() -> Result<(), E>, scope: usize) -> Outcome<E> {
    let _entered = (current::enter(scope), context::outside());
    panic::forget_last();
    catch(job)
}

/// Calls `job`, which is no task.
#[inline]
pub(crate) fn catch<E>(job: impl FnOnce() -> Result<(), E>) -> Outcome<E> {
    match caught(job) {
        Ok(result) => result.map_err(Cause::Error),
        Err(panic) => Err(Cause::Panicked(panic)),
    }
}

/// Runs the drop of a task; a panic in it is a panic of the task.
#[inline]
pub(crate) fn discard<E>(drop_task: impl FnOnce()) -> Outcome<E> {
    caught(drop_task).map_err(Cause::Panicked)
}
