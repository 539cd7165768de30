//! One poll of a task, with its panic caught.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::cause::Cause;
use crate::panic::{self, Panic};
use crate::{context, current};

/// How a task ended; the reason to cancel the group if it did not end well.
pub(crate) type Outcome<E> = Result<(), Cause<E>>;

/// Polls a task of the group of that number.
///
/// Unwind safety: after a panic the future is only dropped, as after any other
/// panic that passes by its owner.
#[inline]
pub(crate) fn poll<E, F>(task: Pin<&mut F>, cx: &mut Context<'_>, group: usize) -> Poll<Outcome<E>>
where
    F: Future<Output = Result<(), E>> + ?Sized,
{
    let _entered = (current::enter(group), context::outside());
    panic::forget_last();
    match catch_unwind(AssertUnwindSafe(|| task.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(result.map_err(Cause::Error)),
        Err(payload) => Poll::Ready(Err(Cause::Panicked(Panic::new(payload)))),
    }
}

/// Runs a job of the scope of that number.
///
/// Unwind safety: as above; what the job borrows is its owner's to look after,
/// whom the panic reaches.
#[inline]
pub(crate) fn call<E>(job: impl FnOnce() -> Result<(), E>, scope: usize) -> Outcome<E> {
    let _entered = (current::enter(scope), context::outside());
    panic::forget_last();
    catch(job)
}

/// Calls `job`, which is no task.
#[inline]
pub(crate) fn catch<E>(job: impl FnOnce() -> Result<(), E>) -> Outcome<E> {
    match catch_unwind(AssertUnwindSafe(job)) {
        Ok(result) => result.map_err(Cause::Error),
        Err(payload) => Err(Cause::Panicked(Panic::new(payload))),
    }
}

/// Runs the drop of a task; a panic in it is a panic of the task.
#[inline]
pub(crate) fn discard<E>(drop_task: impl FnOnce()) -> Outcome<E> {
    catch_unwind(AssertUnwindSafe(drop_task))
        .map_err(|payload| Cause::Panicked(Panic::new(payload)))
}
