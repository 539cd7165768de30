//! The loop of a worker task.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::time::Sleep;

use crate::dispatcher::Rest;
use crate::outcome::{Caught, Outcome};
use crate::span::Carried;
use crate::worker::Worker;

/// How long a worker goes on without giving the runtime's thread to others, to
/// those who submit among them. In ticks of the pool's clock: 50 to 260 µs,
/// whichever clock that is.
const STRETCH_TICKS: u64 = 1 << 18;
/// And in jobs.
const STRETCH_JOBS: u32 = 64;

/// What a worker ran since it last gave way to others.
#[derive(Default)]
struct Stretch {
    since: Option<u64>,
    jobs: u32,
}

impl Stretch {
    /// Counts a job that never waited. Whether it is time to give way.
    fn is_over(&mut self, started: Option<u64>) -> bool {
        self.jobs += 1;
        self.jobs == STRETCH_JOBS
            || started
                .is_some_and(|started| started - *self.since.get_or_insert(started) > STRETCH_TICKS)
    }
}

pub(super) async fn work<T, F, Fut>(mut worker: Worker<Carried<T>>, mut run: F)
where
    T: Send + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output: Into<Outcome>> + Send + 'static,
{
    worker.begin_work();
    let mut stretch = Stretch::default();
    let mut hand = None;
    loop {
        while worker.next(&mut hand) {
            if worker.relay() {
                // The worker it roused is bound to this thread of the runtime
                // until this one leaves it; the other way round, any thread
                // can have this one.
                give_way().await;
                worker.paused();
            }
            worker.begin();
            let mut waited = false;
            let (job, span) = hand.take().expect("a job was taken").into_parts();
            // Made where it is polled: it is not moved once it is there.
            let mut made = pin!(None);
            let mut job = Some(job);
            let outcome = poll_fn(|cx| {
                let polled = contain(|| {
                    span.run(|| {
                        if let Some(job) = job.take() {
                            made.set(Some(run(job)));
                        }
                        let future = made.as_mut().as_pin_mut();
                        let polled = future.expect("it was made").poll(cx);
                        if polled.is_ready() {
                            made.set(None);
                        }
                        polled
                    })
                });
                waited |= polled.is_pending();
                polled
            })
            .await;
            worker.ended(outcome);
            if waited {
                stretch = Stretch::default();
            }
            if stretch.is_over(worker.started()) {
                give_way().await;
                worker.paused();
                stretch = Stretch::default();
            }
        }
        stretch = Stretch::default();
        match rest(&mut worker).await {
            Next::Go => {}
            // A submitter is about to put a job down: not worth sleeping.
            Next::Soon => give_way().await,
            Next::Leave => return,
        }
    }
}

/// Polls a job; its panic is its end.
#[inline]
fn contain<O: Into<Outcome>>(poll: impl FnOnce() -> Poll<O>) -> Poll<Caught> {
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(polled) => polled.map(|output| Ok(output.into())),
        Err(payload) => Poll::Ready(Err(payload)),
    }
}

/// Goes to the end of this thread's queue, where other threads may take it
/// from. After `yield_now` it would be bound to this thread until that had run
/// out of other work, and so wait for a long job of another worker.
async fn give_way() {
    let mut gone = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

enum Next {
    Go,
    Soon,
    Leave,
}

async fn rest<J: Send + 'static>(worker: &mut Worker<J>) -> Next {
    let mut asleep = false;
    let mut timeout = pin!(worker.idle_timeout().map(tokio::time::sleep));
    poll_fn(|cx| {
        if asleep {
            // The waker given below stays good: it is that of this task, which
            // is always polled by the runtime that spawned it.
            if worker.is_roused() {
                return Poll::Ready(Next::Go);
            }
            return poll_timeout(worker, timeout.as_mut(), cx);
        }
        match worker.rest(cx.waker()) {
            Rest::Sleep => {
                asleep = true;
                poll_timeout(worker, timeout.as_mut(), cx)
            }
            Rest::Again => Poll::Ready(Next::Soon),
            Rest::Leave | Rest::Retire => Poll::Ready(Next::Leave),
        }
    })
    .await
}

/// A sleeping worker that has slept for too long leaves, if it may.
fn poll_timeout<J: Send + 'static>(
    worker: &mut Worker<J>,
    mut timeout: Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    if let Some(sleep) = timeout.as_mut().as_pin_mut() {
        if sleep.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if worker.expire() {
            return Poll::Ready(Next::Leave);
        }
        // Roused just now, or needed: it stays until it is roused.
        timeout.set(None);
    }
    Poll::Pending
}
