//! Many pools as one.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{
    CloseError, MultiPool, MultiPoolError, Reason, ReopenError, Strategy, tasks, threads,
};

mod gate;

use gate::{Job, LONG, gated, until};

fn small(_nth: usize) -> threads::Pool {
    threads::Pool::builder().capacity(1).queue(0).build()
}

#[test]
fn a_multi_pool_of_none_is_an_error_and_so_is_a_bad_index() {
    let none = MultiPool::new(0, Strategy::RoundRobin, small);
    assert_eq!(none.unwrap_err(), MultiPoolError::NoPools);
    let two = MultiPool::new(2, Strategy::RoundRobin, small).unwrap();
    assert_eq!(two.pool(1).unwrap().stats().capacity, 1);
    let missing = MultiPoolError::NoSuchPool { index: 2, pools: 2 };
    assert_eq!(two.pool(2).unwrap_err(), missing);
}

#[test]
fn round_robin_goes_around_and_past_a_full_pool() {
    let pools = MultiPool::new(2, Strategy::RoundRobin, small).unwrap();
    let (first, job) = gated();
    pools.try_submit(job).unwrap();
    let (second, job) = gated();
    pools.try_submit(job).unwrap();
    let running = |index| pools.pool(index).unwrap().stats().running;
    until(|| (running(0), running(1)) == (1, 1));
    // Full everywhere: refused once, counted once, and the job comes back.
    let refused = pools.try_submit(Box::new(|| ()) as Job).unwrap_err();
    assert_eq!(
        (refused.reason(), pools.stats().rejected),
        (Reason::Full, 1)
    );
    // The turn is at one or the other; the one with room gets the job.
    drop(second);
    until(|| running(1) == 0);
    for _ in 0..2 {
        let (done, seen) = channel();
        pools.submit(move || done.send(()).unwrap()).unwrap();
        seen.recv().unwrap();
        until(|| running(1) == 0);
    }
    drop(first);
    pools.wait_idle();
    assert_eq!(pools.stats().ran, 4);
    pools.close(LONG).unwrap();
    assert_eq!(pools.close(LONG), Err(CloseError::Closed));
}

#[test]
fn the_least_loaded_is_the_one_with_the_fewest_jobs() {
    let make = |_| threads::Pool::builder().capacity(1).queue(8).build();
    let pools = MultiPool::new(3, Strategy::LeastLoaded, make).unwrap();
    let gates: Vec<_> = (0..6)
        .map(|_| {
            let (gate, job) = gated();
            pools.submit(job).unwrap();
            gate
        })
        .collect();
    for pool in pools.pools() {
        assert_eq!(pool.stats().submitted, 2);
    }
    drop(gates);
    pools.close(LONG).unwrap();
}

#[test]
fn many_pools_are_tuned_closed_and_opened_again_as_one() {
    let make = |_| threads::Pool::builder().capacity(2).queue(0).build();
    let pools = MultiPool::new(2, Strategy::RoundRobin, make).unwrap();
    pools.set_capacity(1);
    assert_eq!(pools.stats().capacity, 2);
    assert_eq!(pools.reopen(), Err(ReopenError::Open));
    let (gate, job) = gated();
    pools.pools()[0].submit(job).unwrap();
    assert_eq!(
        pools.close(Duration::ZERO),
        Err(CloseError::Late { unfinished: 1 })
    );
    assert!(pools.is_closed());
    assert_eq!(pools.reopen(), Err(ReopenError::Draining));
    drop(gate);
    until(|| pools.stats().workers == 0);
    pools.pools()[1].reopen().unwrap();
    assert!(!pools.is_closed());
    pools.reopen().unwrap();
    for pool in pools.pools() {
        assert!(!pool.is_closed());
        pool.submit(|| ()).unwrap();
    }
    pools.close(LONG).unwrap();
    assert_eq!(pools.stats().ran, 3);
    assert_eq!(pools.submit(|| ()).unwrap_err().reason(), Reason::Closed);
    assert_eq!(pools.stats().rejected_by.closed, 1);
}

/// The strategies, a window and a batch over pools of tasks.
#[tokio::test]
async fn many_pools_of_tasks_are_as_those_of_threads() {
    let make = |_| tasks::Pool::builder().capacity(1).queue(4).build();
    let pools = MultiPool::new(3, Strategy::LeastLoaded, make).unwrap();
    let mut lately = pools.pools()[0].window(LONG);
    let gates: Vec<_> = (0..6)
        .map(|_| tokio::sync::oneshot::channel::<()>())
        .collect();
    let (gates, opens): (Vec<_>, Vec<_>) = gates.into_iter().unzip();
    for open in opens {
        pools.submit(async { drop(open.await) }).await.unwrap();
    }
    for pool in pools.pools() {
        assert_eq!(pool.stats().submitted, 2);
    }
    drop(gates);
    pools.wait_idle().await;
    let recent = lately.read();
    assert_eq!((recent.delay.count, recent.run_time.count), (2, 2));
    pools.close(LONG).await.unwrap();
    pools.reopen().unwrap();
    pools.try_submit(async {}).unwrap();
    pools.close(LONG).await.unwrap();
    assert_eq!(pools.stats().ran, 7);

    let make = |_| tasks::Pool::builder().capacity(1).queue(4).build();
    let pools = MultiPool::new(3, Strategy::RoundRobin, make).unwrap();
    for _ in 0..6 {
        pools.submit(async {}).await.unwrap();
    }
    for pool in pools.pools() {
        assert_eq!(pool.stats().submitted, 2);
    }
}

#[tokio::test]
async fn the_jobs_of_a_key_run_in_order_on_tasks() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let make = |_| {
        let seen = Arc::clone(&seen);
        tasks::FuncPool::new(1, move |(key, nth): (u32, u32)| {
            let seen = Arc::clone(&seen);
            async move {
                tokio::task::yield_now().await;
                seen.lock().unwrap().push((key, nth));
            }
        })
    };
    let pools = MultiPool::new(4, Strategy::RoundRobin, make).unwrap();
    for nth in 0..50 {
        for key in 0..7 {
            pools.by_key(&key).submit((key, nth)).await.unwrap();
        }
    }
    pools.wait_idle().await;
    pools.close(LONG).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 350);
    for key in 0..7 {
        let of_key = seen.iter().filter(|job| job.0 == key).map(|job| job.1);
        assert!(of_key.eq(0..50));
    }
}
