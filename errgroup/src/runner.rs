//! A runner: a tokio task that holds one slot and runs task
//! after task in it.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle as Runtime;
use tokio::task;

use crate::attempt::{self, discard};
use crate::cause::Cause;
use crate::engine::Engine;
use crate::job::Job;
use crate::shared::Shared;
use crate::state::Next;
use crate::word::{Asker, MOST_FREE, Was};

/// Tasks that one poll of a runner finishes before it lets the runtime's other
/// tasks have the thread.
const BURST: usize = 16;

/// Looks for a task that a runner takes before it goes, one a turn of the
/// runtime: so long there is no need to spawn another one.
const LOOKS: u8 = 2;

thread_local! {
    /// Whether what this thread polls has started a runner. That one lies where tokio
    /// keeps what was scheduled last, for this very thread.
    static STARTED: Cell<bool> = const { Cell::new(false) };
}

/// Lets other threads have the runner that was started last, which tokio keeps for this
/// one until something else is scheduled.
#[cold]
pub(crate) fn release_last() {
    if task::try_id().is_none() {
        // Not on a thread of the runtime.
        return;
    }
    if let Ok(runtime) = Runtime::try_current()
        && runtime.metrics().num_workers() > MOST_FREE
    {
        runtime.spawn(async {});
    }
}

pub(crate) struct Runner<E: Send + 'static> {
    job: Option<Job<E>>,
    /// None once the slot was given up.
    was: Option<Was>,
    /// Looks that are left.
    looks: u8,
    /// Whether other threads poll runners, too.
    makes_way: bool,
    shared: Arc<Shared<E>>,
}

impl<E: Send + 'static> Runner<E> {
    /// Starts a runner, for which `shared` has a slot taken.
    pub(crate) fn start(shared: Arc<Shared<E>>, runtime: &Runtime) {
        runtime.spawn(Self {
            job: None,
            was: Some(Was::New),
            looks: LOOKS,
            makes_way: runtime.metrics().num_workers() > 1,
            shared,
        });
        STARTED.set(true);
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
        STARTED.set(false);
        while let Some(was) = this.was {
            ready!(this.poll_job(cx));
            if this.makes_way && STARTED.get() {
                left = 0;
            }
            // Before it takes the next one: who takes a task runs it in the same turn,
            // or it would start after a cancel that comes in between.
            if left == 0 && this.shared.state.is_pending() {
                break;
            }
            left = left.saturating_sub(1);
            let asker = Asker {
                was,
                may_linger: this.looks > 0,
                makes_way: this.makes_way,
            };
            match this.shared.state.next(asker) {
                Next::Run { job, start } => {
                    this.job = Some(job);
                    this.was = Some(Was::Busy);
                    this.looks = LOOKS;
                    if start {
                        this.shared.start_runner();
                    }
                }
                Next::Grow => {
                    this.was = Some(Was::Idle);
                    this.shared.start_runner();
                    break;
                }
                Next::Linger => {
                    this.was = Some(Was::Idle);
                    this.looks -= 1;
                    break;
                }
                Next::Gone { start } => {
                    this.was = None;
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
        let Some(was) = self.was else {
            return;
        };
        // The runtime has dropped this before its time.
        let Some(job) = self.job.take() else {
            // Nothing is lost, unless tasks wait: they shall not wait for it.
            if self.shared.state.drop_runner(was) {
                self.shared.cancel(Cause::Aborted);
            }
            return;
        };
        self.shared.cancel(Cause::Aborted);
        self.shared.settle(discard(|| drop(job)));
        self.shared.state.drop_runner(was);
    }
}
