//! The loop of a worker task: a future written by hand, as there may be a million of
//! them, and one that is compiled from an `async fn` keeps its arguments twice and each
//! local where it has a place of its own.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::clock::MOMENT;
use crate::dispatcher::Rest;
use crate::nesting;
use crate::outcome::{Caught, Outcome};
use crate::panic;
use crate::span::{Carried, Span};
use crate::worker::Worker;

/// Jobs that a worker runs without giving the runtime's thread to others, to
/// those who submit among them, if they take less than a [`MOMENT`].
const STRETCH_JOBS: u32 = 128;

/// What a worker ran since it last gave way to others.
#[derive(Default)]
struct Stretch {
    /// When the first of its jobs started, once there is one.
    since: u64,
    jobs: u32,
}

impl Stretch {
    /// Counts a job that never waited. Whether it is time to give way.
    fn is_over(&mut self, started: Option<u64>) -> bool {
        let started = started.unwrap_or_default();
        if self.jobs == 0 {
            self.since = started;
        }
        self.jobs += 1;
        self.jobs == STRETCH_JOBS || started.saturating_sub(self.since) > MOMENT
    }
}

pin_project! {
    /// A worker, and what it is at.
    pub(super) struct Work<T, F, Fut>
    where
        T: Send,
        T: 'static,
    {
        // In the order of their drops. Nothing of the user's outlives the worker: no job
        // outlives the account of it, and no state a close.
        #[pin]
        at: At<T, Fut>,
        // That of the job which runs; else none.
        span: Span,
        run: F,
        worker: Worker<Carried<T>>,
        stretch: Stretch,
        // Tells that it has slept for too long; made when it first sleeps.
        timeout: Option<Pin<Box<Sleep>>>,
    }
}

pin_project! {
    #[project = Step]
    #[project_replace = Left]
    enum At<T, Fut> {
        New,
        /// Is about to see to its hook.
        Beginning,
        /// Looks for a job.
        Looking,
        /// Has one that is about to start.
        Taken { job: Carried<T> },
        Running { #[pin] future: Fut, waited: bool },
        /// Sleeps, and may leave when its time is over.
        Asleep { may_leave: bool },
    }
}

impl<T: Send + 'static, F, Fut> Work<T, F, Fut> {
    pub(super) fn new(worker: Worker<Carried<T>>, run: F) -> Self {
        Self {
            at: At::New,
            worker,
            run,
            span: Span::none(),
            stretch: Stretch::default(),
            timeout: None,
        }
    }
}

impl<T, F, Fut> Future for Work<T, F, Fut>
where
    T: Send + 'static,
    F: FnMut(T) -> Fut,
    Fut: Future<Output: Into<Outcome>>,
{
    type Output = ();

    /// The thread works for the pool meanwhile. No job's panic leaves its worker, so that
    /// is undone.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let before = nesting::enter(self.worker.pool());
        let polled = self.go_on(cx);
        nesting::enter(before);
        polled
    }
}

impl<T, F, Fut> Work<T, F, Fut>
where
    T: Send + 'static,
    F: FnMut(T) -> Fut,
    Fut: Future<Output: Into<Outcome>>,
{
    fn go_on(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            match this.at.as_mut().project() {
                Step::New => {
                    this.at.set(At::Beginning);
                    if this.worker.arrive() {
                        // As after a relay, below.
                        return give_way(cx);
                    }
                }
                Step::Beginning => {
                    this.worker.begin_work();
                    this.at.set(At::Looking);
                }
                Step::Looking => {
                    let mut hand = None;
                    if !this.worker.next(&mut hand) {
                        *this.stretch = Stretch::default();
                        match this.worker.rest(cx.waker()) {
                            Rest::Sleep => {
                                let may_leave = set_timeout(this.worker, this.timeout);
                                this.at.set(At::Asleep { may_leave });
                            }
                            // A submitter is about to put a job down: not worth sleeping.
                            Rest::Again => return give_way(cx),
                            Rest::Leave | Rest::Retire => return Poll::Ready(()),
                        }
                        continue;
                    }
                    let job = hand.expect("a job was taken");
                    this.at.set(At::Taken { job });
                    if this.worker.relay() {
                        // The worker it roused is bound to this thread of the runtime
                        // until this one leaves it; the other way round, any thread
                        // can have this one.
                        this.worker.paused();
                        return give_way(cx);
                    }
                }
                Step::Taken { .. } => {
                    let Left::Taken { job } = this.at.as_mut().project_replace(At::Looking) else {
                        unreachable!("as was just seen");
                    };
                    this.worker.begin();
                    let (job, span) = job.into_parts();
                    *this.span = span;
                    let span = &*this.span;
                    let made = AssertUnwindSafe(|| {
                        let future = span.run(|| (this.run)(job));
                        let waited = false;
                        this.at.set(At::Running { future, waited });
                    });
                    if let Err(payload) = catch_unwind(made) {
                        *this.span = Span::none();
                        this.worker.ended(Err(payload));
                    }
                }
                Step::Running { waited, .. } => {
                    let waited = mem::replace(waited, true);
                    let outcome = ready!(poll_job(this.at.as_mut(), this.span, cx));
                    *this.span = Span::none();
                    this.worker.ended(outcome);
                    if waited {
                        *this.stretch = Stretch::default();
                    }
                    if this.stretch.is_over(this.worker.started()) {
                        *this.stretch = Stretch::default();
                        this.worker.paused();
                        return give_way(cx);
                    }
                }
                // The waker that it rested with stays good: it is that of this task,
                // which is always polled by the runtime that spawned it.
                Step::Asleep { .. } if this.worker.is_roused() => this.at.set(At::Looking),
                Step::Asleep { may_leave } => {
                    let timeout = this.timeout.as_mut().filter(|_| *may_leave);
                    let Some(timeout) = timeout else {
                        return Poll::Pending;
                    };
                    ready!(timeout.as_mut().poll(cx));
                    if this.worker.expire() {
                        return Poll::Ready(());
                    }
                    // Roused just now, or needed: it stays until it is roused.
                    *may_leave = false;
                }
            }
        }
    }
}

/// Polls the job that runs, and drops it at its end. Its panic is its end.
#[inline]
fn poll_job<T, Fut>(mut at: Pin<&mut At<T, Fut>>, span: &Span, cx: &mut Context<'_>) -> Poll<Caught>
where
    Fut: Future<Output: Into<Outcome>>,
{
    let poll = AssertUnwindSafe(|| {
        span.run(|| {
            let Step::Running { future, .. } = at.as_mut().project() else {
                unreachable!("a job runs");
            };
            let polled = future.poll(cx);
            if polled.is_ready() {
                at.set(At::Looking);
            }
            polled
        })
    });
    match catch_unwind(poll) {
        Ok(polled) => polled.map(|output| Ok(output.into())),
        Err(payload) => {
            panic::contain(|| at.set(At::Looking));
            Poll::Ready(Err(payload))
        }
    }
}

/// Goes to the end of this thread's queue, where other threads may take it
/// from. After `yield_now` it would be bound to this thread until that had run
/// out of other work, and so wait for a long job of another worker.
pub(super) fn give_way(cx: &Context<'_>) -> Poll<()> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Whether the worker is to leave when it has slept for so long as is now set.
fn set_timeout<J: Send + 'static>(
    worker: &Worker<J>,
    timeout: &mut Option<Pin<Box<Sleep>>>,
) -> bool {
    let Some(limit) = worker.idle_timeout() else {
        return false;
    };
    match timeout {
        None => *timeout = Some(Box::pin(sleep(limit))),
        Some(timeout) => match Instant::now().checked_add(limit) {
            Some(end) => timeout.as_mut().reset(end),
            // As good as never.
            None => return false,
        },
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// tokio adds 104 bytes of its own and rounds up to 128s; 50,000 workers are 6 MB
    /// more if that is 384 and not 256.
    #[test]
    fn a_worker_of_any_future_takes_two_lines_of_a_task() {
        use crate::tasks::job::Job;

        fn size<F: FnMut(Job) -> Job>(_run: F) -> usize {
            size_of::<Work<Job, F, Job>>()
        }
        let run = Arc::new(());
        assert!(size(move |job| (Arc::strong_count(&run), job).1) <= 256 - 104);
    }

    #[test]
    fn a_stretch_is_over_by_its_jobs_or_its_time() {
        let mut stretch = Stretch::default();
        assert!((1..STRETCH_JOBS).all(|_| !stretch.is_over(None)));
        assert!(stretch.is_over(None));

        let mut stretch = Stretch::default();
        assert!(!stretch.is_over(Some(MOMENT)));
        // The counter of another processor may be a little behind.
        assert!(!stretch.is_over(Some(MOMENT - 1)));
        assert!(!stretch.is_over(Some(2 * MOMENT)));
        assert!(stretch.is_over(Some(2 * MOMENT + 1)));
    }
}
