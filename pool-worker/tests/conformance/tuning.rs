//! A capacity that changes while the pool works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use crate::harness::{LONG, Pool, gated, until};

over_all_pools! {
    raised_it_lets_blocked_submitters_in_at_once,
    raised_it_starts_what_waits_at_once,
    lowered_it_lets_nothing_start_until_fewer_run,
    lowered_it_ends_idle_workers,
    the_last_job_may_be_that_of_a_worker_without_room,
    up_and_down_loses_no_job_and_keeps_the_bound,
}

fn raised_it_lets_blocked_submitters_in_at_once<P: Pool>() {
    // Made for 3, because its runtime has a thread for each worker.
    let pool = P::new(3, 0);
    pool.set_capacity(1);
    let (first, job) = gated();
    pool.submit(job).unwrap();
    let (second, job) = gated();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(job));
        until(|| pool.stats().waiting == 1);
        pool.set_capacity(2);
        blocked.join().unwrap().unwrap();
    });
    until(|| pool.stats().running == 2);
    drop((first, second));
    pool.close(LONG).unwrap();
}

fn raised_it_starts_what_waits_at_once<P: Pool>() {
    let pool = P::new(3, 10);
    pool.set_capacity(1);
    let gates: Vec<_> = (0..3)
        .map(|_| {
            let (gate, job) = gated();
            pool.submit(job).unwrap();
            gate
        })
        .collect();
    until(|| pool.stats().running == 1);
    assert_eq!(pool.stats().queued, 2);
    pool.set_capacity(3);
    until(|| pool.stats().running == 3);
    drop(gates);
    pool.close(LONG).unwrap();
}

fn lowered_it_lets_nothing_start_until_fewer_run<P: Pool>() {
    let pool = P::new(3, 10);
    let mut gates: Vec<_> = (0..3)
        .map(|_| {
            let (gate, job) = gated();
            pool.submit(job).unwrap();
            gate
        })
        .collect();
    until(|| pool.stats().running == 3);
    pool.set_capacity(1);
    assert_eq!(pool.stats().capacity, 1);
    let (last, job) = gated();
    pool.submit(job).unwrap();
    gates.truncate(2);
    until(|| pool.stats().workers == 2);
    gates.truncate(1);
    until(|| pool.stats().workers == 1);
    let stats = pool.stats();
    assert_eq!((stats.running, stats.queued, stats.ran), (1, 1, 2));
    drop(gates);
    until(|| pool.stats().ran == 3 && pool.stats().running == 1);
    drop(last);
    pool.close(LONG).unwrap();
}

fn lowered_it_ends_idle_workers<P: Pool>() {
    let pool = P::new(3, 10);
    let gates: Vec<_> = (0..3)
        .map(|_| {
            let (gate, job) = gated();
            pool.submit(job).unwrap();
            gate
        })
        .collect();
    until(|| pool.stats().running == 3);
    drop(gates);
    pool.wait_idle();
    pool.set_capacity(1);
    until(|| pool.stats().workers == 1);
    pool.submit(Box::new(|| ())).unwrap();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 4);
}

fn up_and_down_loses_no_job_and_keeps_the_bound<P: Pool>() {
    let pool = P::new(4, 8);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    std::thread::scope(|scope| {
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..3_000 {
                        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                        pool.submit(Box::new(move || {
                            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(now, Ordering::SeqCst);
                            std::thread::yield_now();
                            running.fetch_sub(1, Ordering::SeqCst);
                        }))
                        .unwrap();
                    }
                })
            })
            .collect();
        let mut capacity = 1;
        while !submitters.iter().all(ScopedJoinHandle::is_finished) {
            pool.set_capacity(capacity);
            capacity = capacity % 4 + 1;
            std::thread::yield_now();
        }
    });
    pool.wait_idle();
    assert_eq!(pool.stats().ran, 6_000);
    assert!(most.load(Ordering::SeqCst) <= 4);
    pool.close(LONG).unwrap();
}

fn the_last_job_may_be_that_of_a_worker_without_room<P: Pool>() {
    let pool = P::new(2, 2);
    for _ in 0..100 {
        pool.set_capacity(2);
        let gates: Vec<_> = (0..2)
            .map(|_| {
                let (gate, job) = gated();
                pool.submit(job).unwrap();
                gate
            })
            .collect();
        until(|| pool.stats().running == 2);
        pool.set_capacity(1);
        drop(gates);
        pool.wait_idle();
    }
    pool.close(LONG).unwrap();
}
