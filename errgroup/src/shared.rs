//! The state machine joined with the runtime: what all owners, handles, tasks
//! and runners of one group share.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle as Runtime;

use crate::attempt::{Outcome, discard};
use crate::cause::Cause;
use crate::runner::Runner;
use crate::state::State;

/// A task that can wait for a slot.
pub(crate) type Job<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

pub(crate) struct Shared<E> {
    pub(crate) state: State<Job<E>, E>,
    /// Where runners go if a slot comes free outside of any runtime; the
    /// runtime that first queued a task.
    runtime: OnceLock<Runtime>,
}

impl<E: Send + 'static> Shared<E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: State::new(),
            runtime: OnceLock::new(),
        })
    }

    /// A number unique among live groups.
    #[inline]
    pub(crate) fn number(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// Called before a task is queued, so that there is a runtime for it.
    pub(crate) fn remember_runtime(&self) {
        self.runtime.get_or_init(Runtime::current);
    }

    /// Starts a runner in a slot that was taken for it.
    pub(crate) fn start_runner(self: &Arc<Self>) {
        let runner = Runner::new(Arc::clone(self));
        match Runtime::try_current() {
            Ok(runtime) => runtime.spawn(runner),
            // Without a runtime no task can have been queued.
            Err(_) => match self.runtime.get() {
                Some(runtime) => runtime.spawn(runner),
                None => unreachable!("a task was queued outside of a runtime"),
            },
        };
    }

    /// Gives a slot back.
    #[inline]
    pub(crate) fn leave(self: &Arc<Self>) {
        if self.state.leave() {
            self.refill();
        }
    }

    /// Starts what waits, as far as slots are free.
    #[cold]
    #[inline(never)]
    pub(crate) fn refill(self: &Arc<Self>) {
        if self.state.refill() {
            self.start_runner();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn cancel(self: &Arc<Self>, reason: Cause<E>) {
        let Some(pending) = self.state.cancel(reason) else {
            return;
        };
        // `cancel` took a slot for this, so `wait` does not return before the
        // last of them is dropped; and it comes back whatever those drops do.
        self.discard_all(pending);
        self.leave();
    }

    fn discard_all(self: &Arc<Self>, pending: Vec<Job<E>>) {
        for job in pending {
            self.settle(discard(|| drop(job)));
        }
    }

    /// Takes note of how a task ended.
    #[inline]
    pub(crate) fn settle(self: &Arc<Self>, outcome: Outcome<E>) {
        if let Err(reason) = outcome {
            self.cancel(reason);
        }
    }
}

/// A slot in use: gives it back when dropped, and if the task was not done by
/// then, the runtime has dropped it.
pub(crate) struct Ticket<E: Send + 'static> {
    pub(crate) shared: Arc<Shared<E>>,
    open: bool,
}

impl<E: Send + 'static> Ticket<E> {
    #[inline]
    pub(crate) fn new(shared: Arc<Shared<E>>) -> Self {
        Self { shared, open: true }
    }

    /// The task is gone.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if std::mem::take(&mut self.open) {
            self.shared.leave();
        }
    }
}

impl<E: Send + 'static> Drop for Ticket<E> {
    #[inline]
    fn drop(&mut self) {
        if self.open {
            self.shared.cancel(Cause::Aborted);
            self.leave();
        }
    }
}
