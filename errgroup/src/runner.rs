//! A runner of a limited group: a tokio task that holds one slot and runs task
//! after task in it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle as Runtime;

use crate::attempt::{self, discard};
use crate::cause::Cause;
use crate::engine::Engine;
use crate::job::Job;
use crate::shared::Shared;
use crate::state::Next;
use crate::word::MOST_IDLE;

/// Tasks that one poll of a runner finishes before it lets the runtime's other
/// tasks have the thread.
const BURST: usize = 64;

/// Looks for a task that a runner takes before it goes, one a turn of the
/// runtime: so long there is no need to spawn another one.
const LOOKS: u8 = 2;

/// Threads of the runtime that polls this.
fn threads() -> usize {
    Runtime::try_current().map_or(0, |runtime| runtime.metrics().num_workers())
}

pub(crate) struct Runner<E: Send + 'static> {
    job: Option<Job<E>>,
    at: At,
    /// Looks that are left.
    looks: u8,
    shared: Arc<Shared<E>>,
}

/// What a runner has to do with its slot.
#[derive(PartialEq, Eq)]
enum At {
    /// It has no task: just started, or lingers.
    Idle,
    /// It has one, or has just had one.
    Busy,
    /// The slot was given up.
    Gone,
}

impl<E: Send + 'static> Runner<E> {
    /// `shared` has a slot taken for this runner.
    pub(crate) fn new(shared: Arc<Shared<E>>) -> Self {
        Self {
            job: None,
            at: At::Idle,
            looks: LOOKS,
            shared,
        }
    }

    /// Brings the current task, if there is one, to its end.
    #[inline]
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(job) = &mut self.job {
            let polled = attempt::poll(job.as_mut(), cx, self.shared.number());
            let Poll::Ready(outcome) = polled else {
                // It may wait for a caller who waits for room.
                self.shared.state.tell_of_room();
                return Poll::Pending;
            };
            self.shared.settle(outcome);
            self.shared.settle(discard(|| job.as_mut().empty()));
            if let Some(empty) = self.job.take() {
                self.shared.spares.keep(empty);
            }
        }
        Poll::Ready(())
    }
}

impl<E: Send + 'static> Future for Runner<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut left = BURST;
        loop {
            ready!(this.poll_job(cx));
            // Before it takes the next one: who takes a task runs it in the same turn,
            // or it would start after a cancel that comes in between.
            if left == 0 && this.shared.state.is_pending() {
                break;
            }
            left = left.saturating_sub(1);
            match this.shared.state.next(this.at == At::Idle, this.looks > 0) {
                Next::Run { job, start } => {
                    this.job = Some(job);
                    this.at = At::Busy;
                    this.looks = LOOKS;
                    if start {
                        this.shared.start_runner();
                        // The runtime keeps the new runner for this very thread, so
                        // this one lets it have it after one task, unless the other
                        // threads have a runner each anyway.
                        if threads() > MOST_IDLE {
                            left = 0;
                        }
                    }
                }
                Next::Linger => {
                    this.at = At::Idle;
                    this.looks -= 1;
                    break;
                }
                Next::Gone { start } => {
                    this.at = At::Gone;
                    if start {
                        this.shared.start_runner();
                    }
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<E: Send + 'static> Drop for Runner<E> {
    fn drop(&mut self) {
        if self.at == At::Gone {
            return;
        }
        // The runtime has dropped this before its time: tasks that wait shall
        // not wait for it.
        self.shared.cancel(Cause::Aborted);
        let job = self.job.take();
        self.shared.settle(discard(|| drop(job)));
        match self.at {
            At::Idle => self.shared.state.leave_idle(),
            At::Busy => self.shared.leave(),
            At::Gone => {}
        }
    }
}
