//! The figures tell what happened.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_worker::DelaySnapshot;

use crate::harness::{LONG, Options, Pool, gated, soon, until};

over_all_pools! {
    the_oldest_age_tells_what_quantiles_hide_when_workers_stall,
    a_rejection_is_counted_by_its_reason,
    every_job_has_its_delay_and_its_run_time,
    time_in_the_queue_is_told_apart_from_time_blocked,
    figures_follow_a_job_through_the_pool,
    a_pool_that_does_not_record_still_counts,
    what_ran_is_never_told_to_be_less_than_before,
}

fn every_job_has_its_delay_and_its_run_time<P: Pool>() {
    let pool = P::new(3, 10);
    for nth in 0..500 {
        let job = move || assert!(nth % 100 != 0, "as intended");
        pool.submit(Box::new(job)).unwrap();
    }
    pool.close(LONG).unwrap();
    assert_eq!(pool.delay().count, 500);
    assert_eq!(pool.run_time().count, 500);
    let DelaySnapshot {
        p50,
        p90,
        p99,
        p999,
        max,
        ..
    } = pool.delay();
    assert!(p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max);
    assert_eq!((pool.stats().ran, pool.stats().panicked), (495, 5));
}

fn time_in_the_queue_is_told_apart_from_time_blocked<P: Pool>() {
    let pool = P::new(1, 1);
    let begin = Instant::now();
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.delay().count == 1);
    pool.submit(Box::new(|| ())).unwrap();
    assert_eq!(pool.blocked().count, 0);

    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let waited = Instant::now();
        until(|| waited.elapsed() >= Duration::from_millis(5));
        drop(gate);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
    let all = begin.elapsed();

    // Both the queued and the blocked job stood still for the 5 ms.
    assert_eq!(pool.delay().count, 3);
    assert!(pool.delay().max >= Duration::from_millis(5));
    assert_eq!(pool.blocked().count, 1);
    assert!(pool.blocked().max >= Duration::from_millis(5));
    // The third job was blocked, then queued: its times lie one after the other. Its
    // delay is the shortest but one, unless that is the first job's, which was over
    // before. (As exact as quantiles are.)
    let delay = pool
        .delay()
        .p50
        .mul_f64(1.0 - DelaySnapshot::RELATIVE_ERROR);
    assert!(delay + pool.blocked().max.mul_f64(0.999) <= all);
}

fn figures_follow_a_job_through_the_pool<P: Pool>() {
    let pool = P::new(2, 3);
    assert_eq!(pool.stats().capacity, 2);
    let (gate, closed) = channel::<()>();
    let closed = std::sync::Arc::new(std::sync::Mutex::new(closed));
    for _ in 0..4 {
        let closed = std::sync::Arc::clone(&closed);
        pool.submit(Box::new(move || {
            assert!(closed.lock().unwrap().recv().is_err());
        }))
        .unwrap();
    }
    until(|| pool.stats().running == 2);
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.queued, stats.idle), (4, 2, 0));
    assert_eq!((stats.ran, stats.workers), (0, 2));
    drop(gate);
    until(|| pool.stats().ran == 4 && pool.stats().idle == 2);
    assert_eq!(pool.stats().running, 0);
    pool.close(LONG).unwrap();
}

/// A panic is counted before its job is, and what was told to have run does not make
/// up for that.
fn what_ran_is_never_told_to_be_less_than_before<P: Pool>() {
    let (tell, told) = channel::<()>();
    let (gate, closed) = channel::<()>();
    let closed = Mutex::new(closed);
    let pool = P::build(Options {
        panic_handler: Arc::new(move |_| {
            tell.send(()).unwrap();
            closed.lock().unwrap().recv().unwrap_err();
        }),
        ..Options::new(1, 2)
    });
    pool.submit(Box::new(|| ())).unwrap();
    pool.submit(Box::new(|| ())).unwrap();
    pool.wait_idle();
    assert_eq!(pool.stats().ran, 2);
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    soon(&told);
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}

fn a_pool_that_does_not_record_still_counts<P: Pool>() {
    let mut options = Options::new(1, 0);
    options.record_delay = false;
    let pool = P::build(options);
    let (gate, closed) = channel::<()>();
    pool.submit(Box::new(move || assert!(closed.recv().is_err())))
        .unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| panic!("as intended"))));
        until(|| pool.stats().waiting == 1);
        drop(gate);
        blocked.join().unwrap().unwrap();
    });
    for _ in 0..500 {
        pool.submit(Box::new(|| ())).unwrap();
    }
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (501, 1));
    let nothing = DelaySnapshot::default();
    assert_eq!(pool.delay(), nothing);
    assert_eq!(pool.blocked(), nothing);
    assert_eq!(pool.run_time(), nothing);
}

fn the_oldest_age_tells_what_quantiles_hide_when_workers_stall<P: Pool>() {
    let pool = P::new(2, 8);
    for _ in 0..100 {
        pool.submit(Box::new(|| ())).unwrap();
    }
    pool.wait_idle();
    let (gate, closed) = channel::<()>();
    let closed = Arc::new(Mutex::new(closed));
    for _ in 0..2 {
        let closed = Arc::clone(&closed);
        let stall = move || assert!(closed.lock().unwrap().recv().is_err());
        pool.submit(Box::new(stall)).unwrap();
    }
    until(|| pool.delay().count == 102);
    let before = pool.delay();
    pool.submit(Box::new(|| ())).unwrap();
    // It has waited for longer than any job ever had, and longer.
    until(|| pool.oldest_waiting() > Some(2 * before.max));
    let age = pool.oldest_waiting();
    until(|| pool.oldest_waiting() > age);
    // Which no quantile tells: nothing starts, so nothing is recorded. (What was
    // recorded is turned into time at each look, which may differ by a hair.)
    let stalled = pool.delay();
    assert_eq!(stalled.count, before.count);
    assert!(Some(stalled.max) < age);
    drop(gate);
    pool.wait_idle();
    assert_eq!(pool.oldest_waiting(), None);
    assert!(pool.delay().max > before.max);
    pool.close(LONG).unwrap();
}

fn a_rejection_is_counted_by_its_reason<P: Pool>() {
    let pool = P::build(Options {
        max_blocked: 1,
        ..Options::new(1, 0)
    });
    let (gate, closed) = channel::<()>();
    pool.submit(Box::new(move || assert!(closed.recv().is_err())))
        .unwrap();
    pool.try_submit(Box::new(|| ())).unwrap_err();
    let limit = std::time::Duration::from_millis(1);
    pool.submit_timeout(Box::new(|| ()), limit).unwrap_err();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        pool.submit(Box::new(|| ())).unwrap_err();
        drop(gate);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
    pool.submit(Box::new(|| ())).unwrap_err();
    let by = pool.stats().rejected_by;
    assert_eq!((by.full, by.timeout, by.crowded, by.closed), (1, 1, 1, 1));
    assert_eq!((pool.stats().rejected, by.total()), (4, 4));
}
