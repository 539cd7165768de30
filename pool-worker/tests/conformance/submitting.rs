//! What a submitter meets: room, a full pool, a line.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pool_worker::Reason;

use crate::harness::{Job, LONG, Options, Pool, gated, soon, until};

over_all_pools! {
    queue_of_0_accepts_as_many_as_there_are_workers,
    a_full_pool_gives_the_job_back_and_it_still_runs,
    queued_jobs_run_in_order,
    a_blocked_submit_gets_in_when_a_job_ends,
    blocked_submitters_get_in_first_come_first_served,
    a_submit_that_timed_out_gives_the_job_back,
    a_burst_gets_all_workers_going,
    no_more_submitters_block_than_allowed,
    nobody_blocks_when_none_may,
    the_oldest_that_waits_makes_room,
    nothing_is_displaced_where_nothing_waits,
    a_submit_ends_at_its_deadline,
    what_does_not_fit_runs_here,
    of_many_those_that_were_not_accepted_come_back_in_order,
}

fn queue_of_0_accepts_as_many_as_there_are_workers<P: Pool>() {
    let pool = P::new(2, 0);
    let (first, job) = gated();
    pool.try_submit(job).unwrap();
    let (second, job) = gated();
    pool.try_submit(job).unwrap();

    let refused = pool.try_submit(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Full);
    assert_eq!(refused.pool, "suite");
    drop(first);
    pool.submit(Box::new(|| ())).unwrap();
    drop(second);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 3);
}

fn a_full_pool_gives_the_job_back_and_it_still_runs<P: Pool>() {
    let pool = P::new(1, 1);
    let (gate, job) = gated();
    pool.try_submit(job).unwrap();
    pool.try_submit(Box::new(|| ())).unwrap();

    let (ran, seen) = channel();
    let job = Box::new(move || ran.send(()).unwrap());
    let refused = pool.try_submit(job).unwrap_err();
    assert_eq!(refused.reason, Reason::Full);
    (refused.job)();
    soon(&seen);
    assert_eq!(pool.stats().rejected, 1);
    drop(gate);
}

fn queued_jobs_run_in_order<P: Pool>() {
    let pool = P::new(1, 10);
    let (ran, seen) = channel();
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    for nth in 0..10 {
        let ran = ran.clone();
        pool.try_submit(Box::new(move || ran.send(nth).unwrap()))
            .unwrap();
    }
    drop((gate, ran));
    pool.close(LONG).unwrap();
    assert!(seen.iter().eq(0..10));
}

fn a_blocked_submit_gets_in_when_a_job_ends<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        drop(gate);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 2);
}

fn blocked_submitters_get_in_first_come_first_served<P: Pool>() {
    let pool = P::new(1, 0);
    let (ran, seen) = channel();
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    std::thread::scope(|scope| {
        for nth in 0..4 {
            let (pool, ran) = (&pool, ran.clone());
            scope.spawn(move || {
                let job = Box::new(move || ran.send(nth).unwrap());
                pool.submit(job).unwrap();
            });
            until(|| pool.stats().waiting == nth + 1);
        }
        drop(gate);
    });
    drop(ran);
    pool.close(LONG).unwrap();
    assert!(seen.iter().eq(0..4));
}

fn a_submit_that_timed_out_gives_the_job_back<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    for limit in [Duration::ZERO, Duration::from_millis(1)] {
        let refused = pool.submit_timeout(Box::new(|| ()), limit).unwrap_err();
        assert_eq!(refused.reason, Reason::Timeout);
    }
    assert_eq!(pool.stats().waiting, 0);
    drop(gate);
    // The line that the two left lets the next one in.
    pool.submit_timeout(Box::new(|| ()), LONG).unwrap();
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().rejected), (2, 2));
}

fn a_burst_gets_all_workers_going<P: Pool>() {
    let pool = P::new(4, 4);
    for _ in 0..50 {
        // Each job waits for the three others.
        let all = Arc::new(std::sync::Barrier::new(4));
        let (ran, seen) = channel();
        for _ in 0..4 {
            let (all, ran) = (Arc::clone(&all), ran.clone());
            let job = Box::new(move || {
                all.wait();
                ran.send(()).unwrap();
            });
            pool.submit(job).unwrap();
        }
        (0..4).for_each(|_| soon(&seen));
    }
    pool.close(LONG).unwrap();
}

fn no_more_submitters_block_than_allowed<P: Pool>() {
    let mut options = Options::new(1, 0);
    options.max_blocked = 1;
    let pool = P::build(options);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let refused = pool.submit(Box::new(|| ())).unwrap_err();
        assert_eq!(refused.reason, Reason::Crowded);
        drop(gate);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
}

fn nobody_blocks_when_none_may<P: Pool>() {
    let mut options = Options::new(1, 0);
    options.max_blocked = 0;
    let pool = P::build(options);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    let refused = pool.submit(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Full);
    drop(gate);
    pool.close(LONG).unwrap();
}

fn the_oldest_that_waits_makes_room<P: Pool>() {
    let pool = P::new(1, 3);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let (ran, seen) = channel();
    for nth in 0..8 {
        let ran = ran.clone();
        let job = Box::new(move || ran.send(nth).unwrap());
        assert_eq!(pool.submit_displacing(job).unwrap(), usize::from(nth >= 3));
    }
    assert_eq!((pool.stats().running, pool.stats().queued), (1, 3));
    drop((gate, ran));
    pool.close(LONG).unwrap();
    assert!(seen.iter().eq(5..8));
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.ran, stats.displaced), (9, 4, 5));
    let refused = pool.submit_displacing(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Closed);
}

fn nothing_is_displaced_where_nothing_waits<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, job) = gated();
    assert_eq!(pool.submit_displacing(job).unwrap(), 0);
    until(|| pool.stats().running == 1);
    let refused = pool.submit_displacing(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Full);
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().displaced), (1, 0));
}

fn a_submit_ends_at_its_deadline<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, job) = gated();
    pool.submit_until(job, Instant::now() + LONG).unwrap();
    let late = pool.submit_until(Box::new(|| ()), Instant::now());
    assert_eq!(late.unwrap_err().reason, Reason::Timeout);
    drop(gate);
    pool.submit_until(Box::new(|| ()), Instant::now() + LONG)
        .unwrap();
    pool.close(LONG).unwrap();
    let closed = pool.submit_until(Box::new(|| ()), Instant::now() + LONG);
    assert_eq!(closed.unwrap_err().reason, Reason::Closed);
    assert_eq!((pool.stats().ran, pool.stats().rejected), (2, 2));
}

fn what_does_not_fit_runs_here<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, job) = gated();
    assert!(pool.submit_or_run(job).unwrap());
    let (ran, seen) = channel();
    let told = ran.clone();
    let here = move || told.send(std::thread::current().id()).unwrap();
    assert!(!pool.submit_or_run(Box::new(here)).unwrap());
    assert_eq!(seen.try_recv(), Ok(std::thread::current().id()));
    drop(gate);
    pool.close(LONG).unwrap();
    let refused = pool.submit_or_run(Box::new(move || drop(ran))).unwrap_err();
    assert_eq!(refused.reason, Reason::Closed);
    let by = pool.stats().rejected_by;
    assert_eq!((pool.stats().ran, by.full, by.closed), (1, 1, 1));
}

fn of_many_those_that_were_not_accepted_come_back_in_order<P: Pool>() {
    let pool = Arc::new(P::new(1, 2));
    let (ran, seen) = channel();
    let job = |nth: u32| -> Job {
        let (pool, ran) = (Arc::clone(&pool), ran.clone());
        Box::new(move || {
            ran.send(nth).unwrap();
            if nth == 20 {
                pool.close_inside(LONG).unwrap_err();
            }
        })
    };
    // More than fit at once: each waits for room, up to the close.
    let (accepted, reason, rest) = pool.submit_all((0..100).map(job).collect()).unwrap_err();
    assert_eq!((reason, rest.len()), (Reason::Closed, 100 - accepted));
    until(|| pool.stats().workers == 0);
    assert_eq!(pool.stats().ran as usize, accepted);
    rest.into_iter().for_each(|job| job());
    assert!(seen.try_iter().eq(0..100));
}
