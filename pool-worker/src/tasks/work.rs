//! The loop of a worker task.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::dispatcher::Rest;
use crate::outcome::{Caught, Outcome};
use crate::span::Carried;
use crate::worker::Worker;

/// How long a worker goes on without giving the runtime's thread to others.
/// In ticks of the pool's clock: 50 to 260 µs, whichever clock that is.
const STRETCH_TICKS: u64 = 1 << 18;
/// The same in jobs, for a pool that does not look at the clock.
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
        match started {
            Some(started) => started - *self.since.get_or_insert(started) > STRETCH_TICKS,
            None => {
                self.jobs += 1;
                self.jobs == STRETCH_JOBS
            }
        }
    }
}

pub(super) async fn work<T, F, Fut>(mut worker: Worker<Carried<T>>, run: Arc<F>)
where
    T: Send + 'static,
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Outcome>> + Send + 'static,
{
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
            let job = hand.take().expect("a job was taken");
            let outcome = contain(job.run_async(&*run), &mut waited).await;
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

/// Runs a job to its end or its panic. Notes whether it ever had to wait.
async fn contain(job: impl Future<Output: Into<Outcome>>, waited: &mut bool) -> Caught {
    let mut job = pin!(job);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(cx))) {
            Ok(Poll::Ready(outcome)) => Poll::Ready(Ok(outcome.into())),
            Ok(Poll::Pending) => {
                *waited = true;
                Poll::Pending
            }
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
    .await
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
    poll_fn(|cx| {
        if asleep {
            // The waker given below stays good: it is that of this task, which
            // is always polled by the runtime that spawned it.
            return if worker.is_roused() {
                Poll::Ready(Next::Go)
            } else {
                Poll::Pending
            };
        }
        match worker.rest(cx.waker()) {
            Rest::Sleep => {
                asleep = true;
                Poll::Pending
            }
            Rest::Again => Poll::Ready(Next::Soon),
            Rest::Leave | Rest::Retire => Poll::Ready(Next::Leave),
        }
    })
    .await
}
