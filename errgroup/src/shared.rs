//! The state machine joined with the runtime: what all owners, handles, tasks
//! and runners of one group share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use crate::carried::Carried;
use crate::engine::Engine;
use crate::escalations::Escalations;
use crate::grace::graceful;
use crate::job::{Job, Spares};
use crate::runner::{self, Runner};
use crate::state::{BACKLOG, State};

pub(crate) struct Shared<E> {
    pub(crate) state: State<Job<E>, E>,
    pub(crate) spares: Spares<E>,
    /// Where runners go if a slot comes free outside of any runtime; the
    /// runtime that first queued a task.
    runtime: OnceLock<Runtime>,
    /// How long tasks live after the cancel, if that is limited.
    pub(crate) grace: OnceLock<Duration>,
    /// Called after each failure.
    escalations: Escalations<'static>,
}

impl<E: Send + 'static> Shared<E> {
    pub(crate) fn new() -> Arc<Self> {
        let state = State::new();
        state.set_backlog(BACKLOG);
        Arc::new(Self {
            state,
            spares: Spares::new(),
            runtime: OnceLock::new(),
            grace: OnceLock::new(),
            escalations: Escalations::new(),
        })
    }

    /// A number unique among live groups.
    #[inline]
    pub(crate) fn number(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    /// A task as it waits in the queue.
    #[inline]
    pub(crate) fn job<F>(self: &Arc<Self>, carried: Carried, task: F) -> Job<E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        match (self.grace.get(), carried.is_none()) {
            (None, true) => self.spares.pin(task),
            (None, false) => self.spares.pin(carried.carry(task)),
            (Some(grace), _) => {
                let task = graceful(Arc::clone(self), *grace, task);
                self.spares.pin(carried.carry(task))
            }
        }
    }

    /// Has this called at each failure, and at once if there was one.
    pub(crate) fn escalate_by(&self, escalation: impl Fn() + Send + Sync + 'static) {
        self.escalations.add(escalation, || self.state.has_failed());
    }

    /// Called before a task is queued, so that there is a runtime for it.
    pub(crate) fn remember_runtime(&self) {
        self.runtime.get_or_init(Runtime::current);
    }
}

impl<E: Send + 'static> Engine for Arc<Shared<E>> {
    type Job = Job<E>;
    type Error = E;

    #[inline]
    fn state(&self) -> &State<Job<E>, E> {
        &self.state
    }

    fn escalate(&self) {
        self.escalations.call();
    }

    #[inline]
    fn push(&self, job: Job<E>, start: bool) {
        self.state.push(job);
        if start {
            self.start_runner();
            // The other one may lie where no other thread can take it, so this one shall
            // not. Each of the two looks after it was counted: the later one sees both.
            if self.state.has_several_new() {
                runner::release_last();
            }
        }
    }

    fn start_runner(&self) {
        match Runtime::try_current() {
            Ok(runtime) => Runner::start(Arc::clone(self), &runtime),
            // Without a runtime no task can have been queued.
            Err(_) => match self.runtime.get() {
                Some(runtime) => Runner::start(Arc::clone(self), runtime),
                None => unreachable!("a task was queued outside of a runtime"),
            },
        }
    }
}
