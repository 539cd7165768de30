//! A pool that stands still, and goes on: paused, idle, closed and open again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use pool_worker::{CloseReason, ReopenReason};

use crate::harness::{LONG, Pool, soon, until};

over_all_pools! {
    nothing_starts_in_a_pause_and_all_goes_on_after_it,
    what_runs_goes_on_in_a_pause,
    a_paused_pool_drains_when_it_is_closed,
    a_close_ends_a_pause_for_good,
    a_pause_gets_all_workers_going_again,
    wait_idle_waits_for_the_last_job,
    wait_idle_of_an_idle_pool_does_not_wait,
    wait_idle_sees_jobs_that_jobs_submit,
    a_closed_pool_opens_again_and_counts_on,
    only_a_drained_pool_opens_again,
}

fn counting(ran: &Arc<AtomicUsize>) -> Box<dyn FnOnce() + Send> {
    let ran = Arc::clone(ran);
    Box::new(move || {
        ran.fetch_add(1, Ordering::SeqCst);
    })
}

fn nothing_starts_in_a_pause_and_all_goes_on_after_it<P: Pool>() {
    let pool = P::new(2, 8);
    let ran = Arc::new(AtomicUsize::new(0));
    let mut accepted = 0;
    for _ in 0..20 {
        pool.pause();
        assert!(pool.is_paused());
        let before = accepted;
        while pool.try_submit(counting(&ran)).is_ok() {
            accepted += 1;
        }
        // Each worker may have been about to take one as the pause began.
        assert!((10..=12).contains(&(accepted - before)));
        assert!(ran.load(Ordering::SeqCst) <= before + 2);
        assert!(pool.stats().queued >= 8);
        pool.resume();
        pool.wait_idle();
        assert_eq!(ran.load(Ordering::SeqCst), accepted);
    }
}

fn what_runs_goes_on_in_a_pause<P: Pool>() {
    let pool = P::new(1, 1);
    let (gate, closed) = channel::<()>();
    let (ran, seen) = channel();
    pool.submit(Box::new(move || {
        closed.recv().unwrap_err();
        ran.send(()).unwrap();
    }))
    .unwrap();
    until(|| pool.stats().running == 1);
    pool.pause();
    drop(gate);
    soon(&seen);
}

fn a_paused_pool_drains_when_it_is_closed<P: Pool>() {
    let pool = P::new(2, 8);
    let ran = Arc::new(AtomicUsize::new(0));
    pool.pause();
    for _ in 0..8 {
        pool.submit(counting(&ran)).unwrap();
    }
    pool.close(LONG).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 8);
}

fn a_close_ends_a_pause_for_good<P: Pool>() {
    let pool = P::new(1, 1);
    pool.pause();
    pool.close(LONG).unwrap();
    assert!(!pool.is_paused());
    pool.pause();
    assert!(!pool.is_paused(), "there is nothing to pause");
    pool.reopen().unwrap();
    assert!(!pool.is_paused());
    let (ran, seen) = channel();
    pool.submit(Box::new(move || ran.send(()).unwrap()))
        .unwrap();
    soon(&seen);
    pool.close(LONG).unwrap();
}

fn a_pause_gets_all_workers_going_again<P: Pool>() {
    let pool = P::new(4, 4);
    for _ in 0..20 {
        pool.pause();
        let all = Arc::new(std::sync::Barrier::new(4));
        for _ in 0..4 {
            let all = Arc::clone(&all);
            pool.submit(Box::new(move || _ = all.wait())).unwrap();
        }
        pool.resume();
        pool.wait_idle();
    }
}

fn wait_idle_waits_for_the_last_job<P: Pool>() {
    let pool = P::new(3, 100);
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 1..=100 {
        for _ in 0..10 {
            pool.submit(counting(&ran)).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| pool.wait_idle());
            pool.wait_idle();
            assert_eq!(ran.load(Ordering::SeqCst), round * 10);
        });
    }
}

fn wait_idle_of_an_idle_pool_does_not_wait<P: Pool>() {
    let pool = P::new(1, 0);
    pool.wait_idle();
    pool.close(LONG).unwrap();
    pool.wait_idle();
}

fn wait_idle_sees_jobs_that_jobs_submit<P: Pool>() {
    let pool = Arc::new(P::new(2, 100));
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let (inner, job) = (Arc::clone(&pool), counting(&ran));
        pool.submit(Box::new(move || inner.try_submit(job).unwrap()))
            .unwrap();
    }
    pool.wait_idle();
    assert_eq!(ran.load(Ordering::SeqCst), 10);
}

fn a_closed_pool_opens_again_and_counts_on<P: Pool>() {
    let pool = P::new(2, 10);
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 1..=5 {
        for _ in 0..10 {
            pool.submit(counting(&ran)).unwrap();
        }
        pool.close(LONG).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), round * 10);
        assert_eq!(pool.stats().workers, 0);
        pool.reopen().unwrap();
        assert!(!pool.is_closed());
    }
    assert_eq!(pool.stats().ran, 50);
}

fn only_a_drained_pool_opens_again<P: Pool>() {
    let pool = P::new(1, 0);
    assert_eq!(pool.reopen(), Err(ReopenReason::Open));
    let (gate, closed) = channel::<()>();
    pool.submit(Box::new(move || assert!(closed.recv().is_err())))
        .unwrap();
    let late = pool.close(Duration::ZERO);
    assert_eq!(late, Err(CloseReason::Late { unfinished: 1 }));
    assert_eq!(pool.reopen(), Err(ReopenReason::Draining));
    drop(gate);
    until(|| pool.stats().workers == 0);
    pool.reopen().unwrap();
    pool.submit(Box::new(|| ())).unwrap();
    pool.close(LONG).unwrap();
}
