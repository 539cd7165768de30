//! The pools of the whole process: the default pool of `ants`. A test binary of its own,
//! because there is one of each.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::time::Duration;

use pool_worker::{CloseReason, Reason, tasks, threads};

mod gate;

use gate::{LONG, gated, until};

#[test]
fn default_pool_submit_running_release_reboot() {
    let pool = threads::Pool::global();
    assert!(std::ptr::eq(pool, threads::Pool::global()));
    assert_eq!((pool.name(), pool.stats().submitted), ("global", 0));
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    assert_eq!(threads::Pool::global().stats().running, 1);
    drop(gate);
    pool.close(LONG).unwrap();
    let refused = threads::Pool::global().submit(|| ()).unwrap_err();
    assert_eq!(
        (refused.reason(), refused.pool()),
        (Reason::Closed, "global")
    );
    pool.reopen().unwrap();
    assert_eq!(pool.spawn(|| 6 * 7).unwrap().wait().unwrap(), 42);
    pool.wait_idle();
    assert_eq!(pool.stats().ran, 2);
}

#[tokio::test]
async fn default_pool_of_tasks_submit_running_release_reboot() {
    let pool = tasks::Pool::global();
    assert!(std::ptr::eq(pool, tasks::Pool::global()));
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    pool.submit(async { drop(open.await) }).await.unwrap();
    while tasks::Pool::global().stats().running == 0 {
        tokio::task::yield_now().await;
    }
    let late = pool.close(Duration::ZERO).await;
    assert_eq!(
        late.map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 1 })
    );
    drop(gate);
    while pool.stats().workers > 0 {
        tokio::task::yield_now().await;
    }
    pool.reopen().unwrap();
    let handle = pool.spawn(async { 6 * 7 }).await.unwrap();
    assert_eq!(handle.await.unwrap(), 42);
    pool.wait_idle().await;
    assert_eq!(pool.stats().ran, 2);
}
