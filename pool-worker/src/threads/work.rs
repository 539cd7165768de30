//! The loop of a worker thread.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use crate::dispatcher::Rest;
use crate::nesting;
use crate::outcome::Outcome;
use crate::sync;
use crate::worker::Worker;

/// A sleep that was longer than it would have been worth to look for a job.
const LONG: Duration = Duration::from_micros(20);

/// Gives the worker back when it is to leave. It has left once it is dropped.
pub(super) fn work<J: Send + 'static>(
    mut worker: Worker<J>,
    mut run: impl FnMut(&mut Option<J>) -> Outcome,
) -> Worker<J> {
    nesting::enter(worker.pool());
    worker.arrive();
    worker.begin_work();
    let waker = sync::thread_waker();
    let mut hand = None;
    // Jobs come one at a time and far apart, so that none is to be looked out for.
    let mut sparse = false;
    loop {
        let mut first = true;
        while worker.next(&mut hand) || (!sparse && linger(&mut worker, &mut hand)) {
            sparse &= mem::take(&mut first);
            worker.relay();
            worker.begin();
            worker.ended(catch_unwind(AssertUnwindSafe(|| run(&mut hand))));
            hand = None;
        }
        match worker.rest(&waker) {
            Rest::Sleep => {
                let asleep = Instant::now();
                if !sleep(&mut worker) {
                    return worker;
                }
                sparse = asleep.elapsed() > LONG;
            }
            Rest::Again => sync::yield_now(),
            Rest::Leave | Rest::Retire => return worker,
        }
    }
}

/// Parks until it is roused; false if it has slept for too long, and leaves.
fn sleep<J: Send + 'static>(worker: &mut Worker<J>) -> bool {
    let timeout = worker.idle_timeout();
    let mut deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    while !worker.is_roused() {
        // Time passes at once under loom, which has no clock.
        let left = deadline.map(
            |deadline| match deadline.checked_duration_since(Instant::now()) {
                Some(left) if !cfg!(loom_models) => left,
                _ => Duration::ZERO,
            },
        );
        if left == Some(Duration::ZERO) {
            if worker.expire() {
                return false;
            }
            // Roused just now, or needed: it stays until it is roused.
            deadline = None;
        } else {
            sync::park(left);
        }
    }
    true
}

/// Looks for a job for some microseconds more: less than a sleep and a wake-up
/// take. Not after a single job, if that ended a long sleep.
#[cold]
#[inline(never)]
fn linger<J: Send + 'static>(worker: &mut Worker<J>, hand: &mut Option<J>) -> bool {
    let backoff = Backoff::new();
    while !backoff.is_completed() && !cfg!(loom_models) {
        backoff.snooze();
        worker.paused();
        if worker.next(hand) {
            return true;
        }
    }
    false
}
