//! What tasks on a runtime and jobs on scoped threads have in common: how a
//! slot comes back, and how a cancel drops what waits.

use std::mem;

use crate::attempt::{Outcome, discard};
use crate::cause::Cause;
use crate::state::{Cancelled, State};

/// A state machine joined with something that runs its jobs.
pub(crate) trait Engine {
    /// A task that can wait for a slot.
    type Job;
    type Error;

    fn state(&self) -> &State<Self::Job, Self::Error>;

    /// Starts a runner in a slot that was taken for it.
    fn start_runner(&self);

    /// Queues a task in its reserved place.
    #[inline]
    fn push(&self, job: Self::Job, start: bool) {
        self.state().push(job);
        if start {
            self.start_runner();
        }
    }

    /// Starts what waits, as far as slots are free.
    #[cold]
    #[inline(never)]
    fn refill(&self) {
        if self.state().refill() {
            self.start_runner();
        }
    }

    #[cold]
    #[inline(never)]
    fn cancel(&self, reason: Cause<Self::Error>) {
        // After the end it is nobody's.
        let _ = self.try_cancel(reason);
    }

    /// As `cancel`; after the end the reason comes back.
    fn try_cancel(&self, reason: Cause<Self::Error>) -> Result<(), Cause<Self::Error>> {
        let failed = reason.is_failure();
        let pending = match self.state().cancel(reason) {
            Cancelled::First(pending) => Some(pending),
            Cancelled::Late(unread) => {
                self.drop_late(unread);
                None
            }
            Cancelled::Ended(reason) => return Err(reason),
        };
        if failed {
            self.escalate();
        }
        let Some(pending) = pending else {
            return Ok(());
        };
        // `cancel` took a slot for this, so `wait` does not return before the
        // last of them is dropped; and it comes back whatever those drops do.
        for job in pending {
            self.settle(discard(|| drop(job)));
        }
        self.state().leave();
        Ok(())
    }

    /// As `cancel`, by somebody who is no task: has a slot meanwhile, as a task has, so
    /// that `wait` does not return between the failure and what follows from it. After
    /// the end the reason comes back.
    #[cold]
    #[inline(never)]
    fn cancel_from_outside(&self, reason: Cause<Self::Error>) -> Option<Cause<Self::Error>> {
        self.state().hold();
        let late = self.try_cancel(reason).err();
        self.state().leave();
        late
    }

    /// Takes note of how a task ended.
    #[inline]
    fn settle(&self, outcome: Outcome<Self::Error>) {
        if let Err(reason) = outcome {
            self.fail(reason);
        }
    }

    /// A task did not end well.
    #[cold]
    #[inline(never)]
    fn fail(&self, reason: Cause<Self::Error>) {
        let tolerated = self.state().tolerate(reason);
        // The drop of an error is anybody's code; a panic of it is one of the task.
        if let Err(reason) = tolerated.and_then(|unread| discard(|| drop(unread))) {
            self.cancel(reason);
        }
    }

    /// Drops what came after the cause. If that panics, and again with the panic's
    /// payload, it is left.
    #[cold]
    fn drop_late(&self, unread: Option<Cause<Self::Error>>) {
        if let Err(panic) = discard(|| drop(unread))
            && let Cancelled::Late(unread) = self.state().cancel(panic)
        {
            mem::forget(unread);
        }
    }

    /// Tells whoever shares the failures of this one, after each.
    fn escalate(&self) {}

    /// Drops a task unstarted, after the cancel.
    #[cold]
    #[inline(never)]
    fn refuse<F>(&self, task: F) {
        self.state().count_not_started(1);
        drop(task);
    }
}
