//! The handles of jobs, on both engines.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use pool_worker::{JobError, JobFailure, Reason, tasks, threads};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(60);

fn message(error: JobError) -> &'static str {
    match error.into_reason() {
        JobFailure::Panicked(payload) => payload.downcast_ref::<&str>().copied().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_handle_is_a_future_on_either_engine() {
    let (threads, tasks) = (threads::Pool::new(1), tasks::Pool::new(1));
    assert_eq!(threads.spawn(|| 1).unwrap().await.unwrap(), 1);
    let job = async {
        tokio::task::yield_now().await;
        2
    };
    assert_eq!(tasks.spawn(job).await.unwrap().await.unwrap(), 2);
    assert_eq!(tasks.try_spawn(async { 3 }).unwrap().await.unwrap(), 3);
}

#[tokio::test]
async fn a_panic_reaches_the_handle_and_not_the_handler() {
    let told = Arc::new(AtomicUsize::new(0));
    let handler = |told: &Arc<AtomicUsize>| {
        let told = Arc::clone(told);
        move |_: pool_worker::JobPanic<'_>| drop(told.fetch_add(1, Ordering::SeqCst).to_string())
    };
    let threads = threads::Pool::builder()
        .panic_handler(handler(&told))
        .build();
    let tasks = tasks::Pool::builder().panic_handler(handler(&told)).build();

    let panics: fn() = || panic!("as intended");
    assert_eq!(
        message(threads.spawn(panics).unwrap().await.unwrap_err()),
        "as intended"
    );
    let handle = tasks.spawn(async move { panics() }).await.unwrap();
    assert_eq!(message(handle.await.unwrap_err()), "as intended");
    assert_eq!(told.load(Ordering::SeqCst), 0);

    // With nobody to tell, the handler is told.
    let (gate, open) = channel::<()>();
    let detached = threads.spawn(move || {
        open.recv().unwrap_err();
        panics();
    });
    drop(detached.unwrap());
    drop(gate);
    threads.wait_idle();
    drop(
        tasks
            .spawn(async move {
                tokio::task::yield_now().await;
                panics();
            })
            .await
            .unwrap(),
    );
    tasks.wait_idle().await;
    assert_eq!(told.load(Ordering::SeqCst), 2);
    assert_eq!((threads.stats().panicked, tasks.stats().panicked), (2, 2));
}

#[test]
fn a_job_that_runs_on_a_thread_is_not_cancelled() {
    let pool = threads::Pool::builder().capacity(1).queue(2).build();
    let (gate, open) = channel::<()>();
    let (started, running) = channel();
    let job = pool.spawn(move || {
        started.send(()).unwrap();
        open.recv().unwrap_err();
    });
    let job = job.unwrap();
    running.recv().unwrap();
    assert!(!job.cancel());
    drop(gate);
    job.wait().unwrap();
}

#[tokio::test]
async fn a_task_that_waits_is_dropped_when_it_is_cancelled() {
    let pool = tasks::Pool::builder().capacity(1).queue(0).build();
    let (started, running) = oneshot::channel();
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let handle = pool
        .spawn(async move {
            let _inside = inside;
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        })
        .await
        .unwrap();
    running.await.unwrap();
    assert!(!handle.is_finished());
    assert!(handle.cancel());
    assert!(matches!(
        handle.await.map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    // The worker is free again.
    let next = pool.spawn(async { 5 }).await.unwrap();
    assert_eq!(next.await.unwrap(), 5);
    pool.close(LONG).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!((pool.stats().cancelled, pool.stats().ran), (1, 1));
}

#[tokio::test]
async fn a_job_that_is_cancelled_in_its_last_poll_is_cancelled() {
    let pool = tasks::Pool::new(1);
    for panics in [false, true] {
        let (give, given) = oneshot::channel::<Arc<pool_worker::Handle<Arc<()>>>>();
        let result = Arc::new(());
        let inside = Arc::clone(&result);
        let handle = pool.spawn(async move {
            let handle = given.await.unwrap();
            assert!(handle.cancel());
            assert!(!panics, "as intended");
            inside
        });
        let handle = Arc::new(handle.await.unwrap());
        assert!(give.send(Arc::clone(&handle)).is_ok());
        pool.wait_idle().await;
        let handle = Arc::into_inner(handle).unwrap();
        assert!(matches!(
            handle.await.map_err(JobError::into_reason),
            Err(JobFailure::Cancelled)
        ));
        assert_eq!(Arc::strong_count(&result), 1);
    }
    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.panicked, stats.ran), (1, 1, 0));
}

/// It runs already, but its future cannot have been polled.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_while_its_future_is_made_is_dropped_unpolled() {
    let (gate, closed) = channel::<()>();
    let (started, running) = channel();
    let closed = std::sync::Mutex::new(closed);
    let pool = tasks::FuncPool::builder().build_calls(move |held: Arc<()>| {
        started.send(()).unwrap();
        closed.lock().unwrap().recv().unwrap_err();
        async move {
            drop(held);
            unreachable!("it was called off");
        }
    });
    let held = Arc::new(());
    let call = pool.call(Arc::clone(&held)).await.unwrap();
    running.recv().unwrap();
    assert!(call.cancel());
    assert!(!call.is_finished(), "its future is being made");
    drop(gate);
    let result: Result<(), _> = call.await;
    assert!(matches!(
        result.map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    pool.wait_idle().await;
    assert_eq!(Arc::strong_count(&held), 1);
    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.panicked, stats.ran), (1, 0, 0));
}

#[test]
fn a_job_that_ended_is_not_cancelled() {
    let pool = threads::Pool::new(1);
    let handle = pool.spawn(|| 7).unwrap();
    pool.wait_idle();
    assert!(handle.is_finished());
    assert!(!handle.cancel());
    assert_eq!(handle.wait().unwrap(), 7);
}

#[test]
fn a_handle_does_not_wait_for_ever_when_the_runtime_goes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = tasks::Pool::builder()
        .capacity(1)
        .runtime(runtime.handle().clone())
        .build();
    let running = pool.try_spawn(std::future::pending::<()>()).unwrap();
    let queued = pool.try_spawn(async {}).unwrap();
    drop(runtime);
    assert!(matches!(
        running.wait().map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    assert!(matches!(
        queued.wait().map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
}

#[test]
fn a_rejected_job_comes_back_as_it_was() {
    let pool = threads::Pool::new(1);
    pool.close(LONG).unwrap();
    let error = pool.spawn(|| 5).unwrap_err();
    assert_eq!(error.reason(), Reason::Closed);
    assert_eq!((error.into_job())(), 5);
    assert_eq!((pool.try_spawn(|| 6).unwrap_err().into_job())(), 6);
}

#[test]
fn a_job_may_not_wait_for_another_of_its_pool() {
    let pool = Arc::new(threads::Pool::new(1));
    let inside = Arc::clone(&pool);
    let outer = pool.spawn(move || inside.spawn(|| 1).unwrap().wait());
    assert!(matches!(
        outer
            .unwrap()
            .wait()
            .map(|r| r.map_err(JobError::into_reason)),
        Ok(Err(JobFailure::Nested))
    ));
    pool.wait_idle();
    assert_eq!(pool.stats().ran, 2);
}

#[tokio::test]
async fn a_job_may_not_await_another_of_its_pool() {
    let pool = Arc::new(tasks::Pool::new(1));
    let inside = Arc::clone(&pool);
    let outer = pool.spawn(async move { inside.spawn(async { 1 }).await.unwrap().await });
    let result = outer.await.unwrap().await;
    assert!(matches!(
        result.map(|r| r.map_err(JobError::into_reason)),
        Ok(Err(JobFailure::Nested))
    ));
    pool.wait_idle().await;
    assert_eq!(pool.stats().ran, 2);
}
