//! Many pools as one.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{
    Batch, CloseReason, JobFailure, MultiPool, MultiPoolError, Reason, ReopenReason, Strategy,
    tasks, threads,
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
    assert_eq!(
        pools.close(LONG).map_err(|e| e.reason()),
        Err(CloseReason::Closed)
    );
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
    assert_eq!(
        pools.reopen().map_err(|e| e.reason()),
        Err(ReopenReason::Open)
    );
    let (gate, job) = gated();
    pools.pools()[0].submit(job).unwrap();
    assert_eq!(
        pools.close(Duration::ZERO).map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 1 })
    );
    assert!(pools.is_closed());
    assert_eq!(
        pools.reopen().map_err(|e| e.reason()),
        Err(ReopenReason::Draining)
    );
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

#[test]
fn jobs_go_past_a_pool_that_is_closed() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let make = |_| threads::Pool::builder().capacity(1).queue(8).build();
        let pools = MultiPool::new(3, strategy, make).unwrap();
        let [closed, busy, _idle] = pools.pools() else {
            unreachable!("there are three");
        };
        closed.close(LONG).unwrap();
        // More of a load than the closed one has.
        let (gate, job) = gated();
        busy.submit(job).unwrap();
        for nth in 0..6 {
            match nth % 2 {
                0 => pools.submit(|| ()).unwrap(),
                _ => pools.try_submit(|| ()).unwrap(),
            }
        }
        drop(gate);
        assert_eq!((pools.is_closed(), pools.stats().rejected), (false, 0));
        pools.close(LONG).unwrap();
        assert_eq!(pools.stats().ran, 7);
        let refused = pools.submit(|| ()).unwrap_err().reason();
        assert_eq!((refused, pools.stats().rejected), (Reason::Closed, 1));
    }
}

/// What a pool that is full says, not what the closed one does: there may be room later.
#[test]
fn where_the_open_pools_are_full_a_multi_pool_is_full() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let pools = MultiPool::new(2, strategy, small).unwrap();
        pools.pools()[0].close(LONG).unwrap();
        let (gate, job) = gated();
        pools.submit(job).unwrap();
        for _ in 0..2 {
            assert_eq!(pools.try_submit(|| ()).unwrap_err().reason(), Reason::Full);
        }
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| pools.submit(|| ()));
            until(|| pools.stats().waiting == 1);
            drop(gate);
            blocked.join().unwrap().unwrap();
        });
        pools.close(LONG).unwrap();
    }
}

#[test]
fn jobs_go_past_a_pool_whose_runtime_is_gone() {
    let new = || tokio::runtime::Runtime::new().unwrap();
    let (first, second) = (new(), new());
    let make = |nth: usize| {
        let runtime = [&first, &second][nth].handle().clone();
        let builder = tasks::Pool::builder().runtime(runtime);
        builder.capacity(1).queue(8).prestart(1).build()
    };
    let pools = MultiPool::new(2, Strategy::LeastLoaded, make).unwrap();
    drop(first);
    for _ in 0..4 {
        pools.try_submit(async {}).unwrap();
    }
    second.block_on(pools.close(LONG)).unwrap();
    assert_eq!(pools.stats().ran, 4);
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

#[test]
fn function_pools_of_threads_are_one_as_well() {
    for strategy in [Strategy::RoundRobin, Strategy::LeastLoaded] {
        let sum = Arc::new(Mutex::new(0));
        let make = |_| {
            let sum = Arc::clone(&sum);
            threads::FuncPool::new(1, move |n: u64| *sum.lock().unwrap() += n)
        };
        let pools = MultiPool::new(3, strategy, make).unwrap();
        for n in 0..100 {
            match n % 2 {
                0 => pools.submit(n).unwrap(),
                _ => pools.try_submit(n).unwrap(),
            }
        }
        pools.wait_idle();
        assert_eq!(*sum.lock().unwrap(), 4_950);
        pools.close(LONG).unwrap();
        let refused = pools.submit(7).unwrap_err();
        assert_eq!((refused.reason(), refused.into_job()), (Reason::Closed, 7));
        assert_eq!(pools.stats().ran, 100);
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

/// A job of the first pool, of one worker each, tries everything that would wait for the
/// second one, whose worker is busy.
#[test]
fn a_job_that_waits_for_the_pools_it_is_one_of_is_told() {
    let make = |nth: usize| {
        let builder = threads::Pool::builder().name(format!("pool {nth}"));
        builder.capacity(1).queue(1).build()
    };
    let pools = Arc::new(MultiPool::new(2, Strategy::RoundRobin, make).unwrap());
    let (gate, job) = gated();
    let busy = pools.pools()[1].spawn(job).unwrap();
    let queued = pools.pools()[1].spawn(|| ()).unwrap();
    let inside = Arc::clone(&pools);
    let outer = pools.pools()[0].spawn(move || {
        let other = &inside.pools()[1];
        // Its own queue has room for one.
        inside.submit(|| ()).unwrap();
        let nested = [
            inside.submit(|| ()).unwrap_err().reason(),
            other.submit(|| ()).unwrap_err().reason(),
        ];
        assert_eq!(nested, [Reason::Nested; 2]);
        let limited = other.submit_timeout(|| (), Duration::from_millis(1));
        assert_eq!(limited.unwrap_err().reason(), Reason::Timeout);
        let error = queued.wait().unwrap_err();
        assert_eq!(error.pool(), "pool 1");
        assert!(matches!(error.reason(), JobFailure::Nested));
        let waits: [&dyn Fn(); 3] = [&|| other.wait_idle(), &|| inside.wait_idle(), &|| {
            Batch::of(other).wait();
        }];
        for wait in waits {
            let wait = std::panic::AssertUnwindSafe(wait);
            assert!(std::panic::catch_unwind(wait).is_err());
        }
        let error = inside.close(LONG).unwrap_err();
        assert_eq!(
            (error.pool(), error.reason()),
            ("pool 0", CloseReason::Nested)
        );
    });
    outer.unwrap().wait().unwrap();
    drop(gate);
    busy.wait().unwrap();
    until(|| pools.stats().workers == 0);
    assert_eq!(pools.stats().ran, 4);
}

#[tokio::test]
async fn a_task_that_waits_for_the_pools_it_is_one_of_is_told() {
    let make = |_| tasks::Pool::builder().capacity(1).queue(0).build();
    let pools = Arc::new(MultiPool::new(2, Strategy::LeastLoaded, make).unwrap());
    let inside = Arc::clone(&pools);
    let (gate, closed) = tokio::sync::oneshot::channel::<()>();
    let busy = pools.pools()[1]
        .spawn(async { drop(closed.await) })
        .await
        .unwrap();
    let outer = pools.pools()[0].spawn(async move {
        let other = &inside.pools()[1];
        let full = other.submit(async {}).await.unwrap_err();
        let all_full = inside.submit(async {}).await.unwrap_err();
        let told = busy.await.unwrap_err();
        let nested = matches!(told.reason(), JobFailure::Nested);
        (full.reason(), all_full.reason(), nested)
    });
    let told = outer.await.unwrap().await.unwrap();
    assert_eq!(told, (Reason::Nested, Reason::Nested, true));
    drop(gate);
    pools.close(LONG).await.unwrap();
}

/// Pools that do not know each other may wait for each other: one that never waits for
/// the other way round is free to.
#[test]
fn a_job_may_wait_for_a_pool_of_another_multi_pool() {
    let make = |_| threads::Pool::builder().capacity(1).build();
    let first = MultiPool::new(2, Strategy::RoundRobin, make).unwrap();
    let second = Arc::new(MultiPool::new(2, Strategy::RoundRobin, make).unwrap());
    let alone = Arc::new(threads::Pool::new(1));
    let sum = first.pools()[0].spawn(move || {
        let two = second.pools()[1].spawn(|| 2).unwrap().wait().unwrap();
        second.wait_idle();
        two + alone.spawn(|| 3).unwrap().wait().unwrap()
    });
    assert_eq!(sum.unwrap().wait().unwrap(), 5);
}
