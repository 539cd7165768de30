//! The loop of a worker thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_utils::Backoff;

use crate::dispatcher::Rest;
use crate::outcome::Outcome;
use crate::sync;
use crate::worker::Worker;

sync::thread_local! {
    /// The pool whose worker this thread is, by address; 0 if none.
    #[allow(clippy::missing_const_for_thread_local, reason = "loom has no const form")]
    static POOL: Cell<usize> = Cell::new(0);
}

/// Whether the current thread is a worker of this pool.
pub(super) fn is_worker_of(pool: usize) -> bool {
    POOL.with(Cell::get) == pool
}

pub(super) fn work<J: Send + 'static>(
    mut worker: Worker<J>,
    run: &impl Fn(&mut Option<J>) -> Outcome,
) {
    POOL.with(|pool| pool.set(worker.pool()));
    let waker = sync::thread_waker();
    let mut hand = None;
    loop {
        while worker.next(&mut hand) || linger(&mut worker, &mut hand) {
            worker.relay();
            worker.begin();
            worker.ended(catch_unwind(AssertUnwindSafe(|| run(&mut hand))));
            hand = None;
        }
        match worker.rest(&waker) {
            Rest::Sleep => {
                while !worker.is_roused() {
                    sync::park(None);
                }
            }
            Rest::Again => sync::yield_now(),
            Rest::Leave | Rest::Retire => return,
        }
    }
}

/// Looks for a job for some microseconds more: less than a sleep and a wake-up
/// take.
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
