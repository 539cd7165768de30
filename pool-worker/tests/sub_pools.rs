//! What parts of a pool have on one engine only, or from async code: waits that are given up,
//! jobs that are cancelled as they run, a runtime that goes.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::time::Duration;

use pool_worker::{JobError, JobFailure, Reason, tasks, threads};

const LONG: Duration = Duration::from_secs(60);

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

/// The futures may go to other threads.
async fn given_up<T>(wait: impl Future<Output = T> + Send) {
    let given_up = tokio::time::timeout(Duration::ZERO, wait).await;
    assert!(given_up.is_err());
}

#[tokio::test]
async fn a_spawn_that_is_given_up_while_it_waits_takes_no_place_along() {
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    let pool = Arc::new(tasks::Pool::new(4));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let first = part.spawn(async { drop(open.await) }).await.unwrap();
    given_up(part.spawn(async move { drop(inside) })).await;
    assert_eq!((Arc::strong_count(&held), pool.stats().waiting), (1, 0));
    drop(gate);
    first.await.unwrap();
    assert_eq!(part.spawn(async { 2 }).await.unwrap().await.unwrap(), 2);

    let (gate, open) = std::sync::mpsc::channel::<()>();
    let pool = Arc::new(threads::Pool::new(4));
    let part = threads::SubPool::new(&pool, "part", 1);
    let inside = Arc::clone(&held);
    let first = part.spawn_async(move || _ = open.recv()).await.unwrap();
    given_up(part.spawn_async(move || drop(inside))).await;
    given_up(part.submit_async(|| ())).await;
    assert_eq!((Arc::strong_count(&held), pool.stats().waiting), (1, 0));
    drop(gate);
    first.await.unwrap();
    let second = part.spawn_async(|| 2).await.unwrap();
    assert_eq!(second.await.unwrap(), 2);
}

#[tokio::test]
async fn a_task_of_a_part_that_is_cancelled_as_it_runs_gives_its_place_back() {
    let pool = Arc::new(tasks::Pool::new(4));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (started, running) = tokio::sync::oneshot::channel();
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let job = async move {
        let _inside = inside;
        started.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let handle = part.spawn(job).await.unwrap();
    running.await.unwrap();
    assert_eq!(part.try_spawn(async {}).unwrap_err().pool(), "part");
    assert!(handle.cancel());
    assert!(matches!(
        handle.await.map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    part.wait_idle().await;
    assert_eq!((part.taken(), Arc::strong_count(&held)), (0, 1));
    assert_eq!(pool.stats().cancelled, 1);
    let next = part.try_spawn(async { 2 }).unwrap();
    assert_eq!(next.await.unwrap(), 2);
}

#[test]
fn a_runtime_that_goes_gives_the_places_of_its_jobs_back() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = tasks::Pool::builder().capacity(1);
    let pool = Arc::new(builder.runtime(runtime.handle().clone()).build());
    let part = tasks::SubPool::new(&pool, "part", 2);
    let running = part.try_spawn(std::future::pending::<()>()).unwrap();
    let queued = part.try_spawn(async {}).unwrap();
    assert_eq!(part.taken(), 2);
    drop(runtime);
    for handle in [running, queued] {
        assert!(matches!(
            handle.wait().map_err(JobError::into_reason),
            Err(JobFailure::Cancelled)
        ));
    }
    assert_eq!((part.taken(), pool.stats().cancelled), (0, 2));
}
