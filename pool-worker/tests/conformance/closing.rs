//! How a pool ends.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use pool_worker::{CloseReason, Reason, ReopenReason};

use crate::harness::{LONG, Pool, gated, soon, until};

over_all_pools! {
    close_waits_for_what_was_accepted,
    a_pool_that_was_never_used_closes,
    close_tells_what_had_not_ended_and_the_rest_still_runs,
    a_second_close_is_an_error,
    what_does_not_close_or_open_is_told_by_name,
    a_closed_pool_gives_the_job_back,
    release_gives_blocked_submitters_their_jobs_back,
    close_ends_idle_workers,
    a_drop_runs_what_was_accepted,
    a_job_may_drop_its_own_pool,
}

fn close_waits_for_what_was_accepted<P: Pool>() {
    let pool = P::new(2, 100);
    let (ran, seen) = channel();
    for _ in 0..102 {
        let ran = ran.clone();
        pool.submit(Box::new(move || {
            std::thread::yield_now();
            ran.send(()).unwrap();
        }))
        .unwrap();
    }
    drop(ran);
    pool.close(LONG).unwrap();
    assert_eq!(seen.try_iter().count(), 102);
    assert_eq!(pool.stats().workers, 0);
}

fn a_pool_that_was_never_used_closes<P: Pool>() {
    let pool = P::new(2, 0);
    assert!(!pool.is_closed());
    pool.close(LONG).unwrap();
    assert!(pool.is_closed());
}

fn close_tells_what_had_not_ended_and_the_rest_still_runs<P: Pool>() {
    let pool = P::new(1, 1);
    let (gate, closed) = channel::<()>();
    let (ran, seen) = channel();
    let first = ran.clone();
    pool.submit(Box::new(move || {
        closed.recv().unwrap_err();
        first.send(1).unwrap();
    }))
    .unwrap();
    pool.submit(Box::new(move || ran.send(2).unwrap())).unwrap();

    let late = pool.close(Duration::from_millis(1));
    assert_eq!(late, Err(CloseReason::Late { unfinished: 2 }));
    drop(gate);
    assert_eq!((soon(&seen), soon(&seen)), (1, 2));
    until(|| pool.stats().workers == 0);
}

fn a_second_close_is_an_error<P: Pool>() {
    let pool = P::new(1, 1);
    pool.close(LONG).unwrap();
    assert_eq!(pool.close(LONG), Err(CloseReason::Closed));
}

/// The suite looks for the name in every error of a close.
fn what_does_not_close_or_open_is_told_by_name<P: Pool>() {
    let pool = P::new(1, 1);
    assert_eq!(pool.reopen(), Err(ReopenReason::Open));
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    let late = CloseReason::Late { unfinished: 1 };
    assert_eq!(pool.close(Duration::ZERO), Err(late));
    assert_eq!(pool.close(Duration::ZERO), Err(CloseReason::Closed));
    assert_eq!(pool.reopen(), Err(ReopenReason::Draining));
    drop(gate);
    until(|| pool.stats().workers == 0);
}

fn a_closed_pool_gives_the_job_back<P: Pool>() {
    let pool = P::new(1, 1);
    pool.close(LONG).unwrap();
    for submitted in [
        pool.submit(Box::new(|| ())),
        pool.try_submit(Box::new(|| ())),
        pool.submit_timeout(Box::new(|| ()), LONG),
    ] {
        assert_eq!(submitted.unwrap_err().reason, Reason::Closed);
    }
    assert_eq!((pool.stats().rejected, pool.stats().submitted), (3, 0));
}

fn release_gives_blocked_submitters_their_jobs_back<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, closed) = channel::<()>();
    pool.submit(Box::new(move || assert!(closed.recv().is_err())))
        .unwrap();
    std::thread::scope(|scope| {
        let blocked: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| pool.submit(Box::new(|| ()))))
            .collect();
        until(|| pool.stats().waiting == 3);
        // The worker stays busy: only the close can release them.
        pool.close(Duration::ZERO).unwrap_err();
        for blocked in blocked {
            let refused = blocked.join().unwrap().unwrap_err();
            assert_eq!(refused.reason, Reason::Closed);
        }
        drop(gate);
    });
    until(|| pool.stats().workers == 0);
    assert_eq!((pool.stats().ran, pool.stats().rejected), (1, 3));
}

fn close_ends_idle_workers<P: Pool>() {
    let pool = P::new(2, 2);
    let (ran, seen) = channel();
    pool.submit(Box::new(move || ran.send(()).unwrap()))
        .unwrap();
    soon(&seen);
    until(|| pool.stats().running == 0 && pool.stats().idle > 0);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().workers, 0);
}

fn a_drop_runs_what_was_accepted<P: Pool>() {
    let pool = P::new(1, 10);
    let (ran, seen) = channel();
    for nth in 0..10 {
        let ran = ran.clone();
        pool.submit(Box::new(move || ran.send(nth).unwrap()))
            .unwrap();
    }
    drop((pool, ran));
    assert!((0..10).eq((0..10).map(|_| soon(&seen))));
}

fn a_job_may_drop_its_own_pool<P: Pool>() {
    let pool = Arc::new(P::new(1, 10));
    let (ran, seen) = channel();
    let (gate, open) = channel::<()>();
    let last = Arc::clone(&pool);
    pool.submit(Box::new(move || {
        open.recv().unwrap_err();
        drop(last);
        ran.send(()).unwrap();
    }))
    .unwrap();
    drop(pool);
    drop(gate);
    soon(&seen);
}
