//! Parts of a pool, under limits of their own.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::future::Future;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pool_worker::{CloseReason, Reason, tasks, threads};

mod gate;

use gate::{LONG, gated, until};

#[test]
fn a_sub_pool_leaves_workers_to_others() {
    let pool = Arc::new(threads::Pool::new(3));
    let part = threads::SubPool::new(&pool, "part", 2);
    let gates: Vec<_> = (0..2)
        .map(|_| {
            let (gate, job) = gated();
            part.submit(job).unwrap();
            gate
        })
        .collect();
    let refused = part.try_submit(|| ()).unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Full, "part"));
    // The third worker is for others.
    assert_eq!(pool.spawn(|| 1).unwrap().wait().unwrap(), 1);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| part.submit(|| panic!("as intended")));
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    part.wait_idle();
    assert_eq!(part.taken(), 0);
    pool.close(LONG).unwrap();
    let refused = part.submit(|| ()).unwrap_err();
    assert_eq!((refused.reason(), part.taken()), (Reason::Closed, 0));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

/// What a panic handler sees of a part that is made after it: the places that are taken.
macro_rules! taken_when_a_panic_is_told {
    ($engine:ident, $job:expr) => {{
        let slot = Arc::new(OnceLock::<$engine::SubPool>::new());
        let (inside, (tell, told)) = (Arc::clone(&slot), channel());
        let builder = $engine::Pool::builder().panic_handler(move |_| {
            tell.send(inside.wait().taken()).unwrap();
        });
        let pool = Arc::new(builder.build());
        slot.set($engine::SubPool::new(&pool, "part", 1)).unwrap();
        slot.wait().try_submit($job).unwrap();
        told.recv_timeout(LONG).unwrap()
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_free_once_all_that_comes_of_its_job_is_told() {
    let job = || panic!("as intended");
    assert_eq!(taken_when_a_panic_is_told!(threads, job), 1);
    let job = async { panic!("as intended") };
    assert_eq!(taken_when_a_panic_is_told!(tasks, job), 1);
}

/// The last job of a part is counted before its place is free, and its pool is idle after
/// that.
#[test]
fn what_a_sub_pool_has_waited_for_is_counted_and_what_a_pool_has_is_free() {
    let pool = Arc::new(threads::Pool::new(2));
    let part = threads::SubPool::new(&pool, "part", 1);
    for round in 0..1_000 {
        part.submit(move || assert!(round % 4 > 0, "as intended"))
            .unwrap();
        if round % 2 == 0 {
            part.wait_idle();
            let stats = pool.stats();
            assert_eq!((stats.running, stats.ran + stats.panicked), (0, round + 1));
        } else {
            pool.wait_idle();
            assert_eq!(part.taken(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sub_pool_of_tasks_has_waited_for_is_counted() {
    let pool = Arc::new(tasks::Pool::new(2));
    let part = tasks::SubPool::new(&pool, "part", 1);
    for round in 0..1_000 {
        let job = async move { assert!(round % 4 > 0, "as intended") };
        part.submit(job).await.unwrap();
        if round % 2 == 0 {
            part.wait_idle().await;
            let stats = pool.stats();
            assert_eq!((stats.running, stats.ran + stats.panicked), (0, round + 1));
        } else {
            pool.wait_idle().await;
            assert_eq!(part.taken(), 0);
        }
    }
}

#[test]
fn many_submitters_share_a_sub_pool_and_keep_its_limit() {
    let pool = Arc::new(threads::Pool::new(4));
    let part = threads::SubPool::new(&pool, "part", 2);
    let running = Arc::new(Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let running = Arc::clone(&running);
                    let job = move || {
                        *running.lock().unwrap() += 1;
                        std::thread::yield_now();
                        let mut now = running.lock().unwrap();
                        assert!(*now <= 2);
                        *now -= 1;
                    };
                    part.submit(job).unwrap();
                }
            });
        }
    });
    part.wait_idle();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 900);
}

#[test]
fn a_close_releases_who_waits_for_a_place_of_a_sub_pool() {
    let pool = Arc::new(threads::Pool::builder().max_blocked(1).build());
    let part = threads::SubPool::new(&pool, "part", 1);
    let (gate, job) = gated();
    part.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| part.submit(|| ()));
        until(|| pool.stats().waiting == 1);
        let crowded = part.submit(|| ()).unwrap_err();
        assert_eq!(crowded.reason(), Reason::Crowded);
        // The job goes on: only the close can release it.
        pool.close(Duration::ZERO).unwrap_err();
        let refused = blocked.join().unwrap().unwrap_err();
        assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    });
    drop(gate);
    part.wait_idle();
    let stats = pool.stats();
    assert_eq!((stats.waiting, pool.blocked().count), (0, 1));
    let by = stats.rejected_by;
    assert_eq!((stats.rejected, by.closed, by.crowded), (2, 1, 1));
}

#[tokio::test]
async fn a_full_sub_pool_of_a_closed_pool_is_closed() {
    let pool = Arc::new(threads::Pool::new(2));
    let part = threads::SubPool::new(&pool, "part", 1);
    let (gate, job) = gated();
    part.submit(job).unwrap();
    pool.close(Duration::ZERO).unwrap_err();
    let refused = part.try_submit(|| ()).unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    assert_eq!(pool.stats().rejected_by.closed, 1);
    drop(gate);

    let pool = Arc::new(tasks::Pool::new(2));
    let part = tasks::SubPool::new(&pool, "part", 1);
    part.submit(std::future::pending()).await.unwrap();
    pool.close(Duration::ZERO).await.unwrap_err();
    let refused = part.try_submit(async {}).unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    assert_eq!(pool.stats().rejected_by.closed, 1);
}

#[tokio::test]
async fn a_close_releases_who_waits_for_a_place_of_a_sub_pool_of_tasks() {
    let pool = Arc::new(tasks::Pool::new(2));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    part.submit(async { drop(open.await) }).await.unwrap();
    let mut blocked = std::pin::pin!(part.submit(async {}));
    let once = std::future::poll_fn(|cx| {
        let polled = blocked.as_mut().poll(cx);
        std::task::Poll::Ready(polled.is_pending())
    });
    assert!(once.await);
    assert_eq!(pool.stats().waiting, 1);
    let late = pool.close(Duration::ZERO).await;
    assert_eq!(
        late.map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 1 })
    );
    let refused = blocked.await.unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    drop(gate);
    part.wait_idle().await;
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.rejected_by.closed), (0, 1));
    assert_eq!(pool.blocked().count, 1);
}

#[tokio::test]
async fn a_sub_pool_of_tasks_gives_its_place_back_whatever_happens() {
    let pool = Arc::new(tasks::Pool::new(4));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    part.submit(async { drop(open.await) }).await.unwrap();
    assert_eq!(part.try_submit(async {}).unwrap_err().pool(), "part");
    // Given up while it waits: nothing is lost with it.
    let given_up = tokio::time::timeout(Duration::ZERO, part.submit(async {})).await;
    assert!(given_up.is_err());
    drop(gate);
    part.submit(async { panic!("as intended") }).await.unwrap();
    part.submit(async {}).await.unwrap();
    part.wait_idle().await;
    pool.close(LONG).await.unwrap();
    let refused = part.submit(async {}).await.unwrap_err();
    assert_eq!((refused.reason(), part.taken()), (Reason::Closed, 0));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}
