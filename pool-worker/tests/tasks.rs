//! What only the pools of tasks promise.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_worker::tasks::{FuncPool, Pool};
use pool_worker::{CloseReason, Reason};
use tokio::sync::{Notify, Semaphore, oneshot};

const LONG: Duration = Duration::from_secs(60);

/// A pool with one worker, no queue, and its worker busy until the gate opens.
async fn busy() -> (Arc<FuncPool<u8>>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let pool = FuncPool::builder().capacity(1).queue(0).build(move |_| {
        let open = Arc::clone(&open);
        async move { open.acquire().await.unwrap().forget() }
    });
    pool.submit(0).await.unwrap();
    (Arc::new(pool), gate)
}

/// Polls once, as a task does before it is cancelled.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_cancelled_submit_leaves_the_line_and_loses_no_slot() {
    let (pool, gate) = busy().await;
    {
        let mut first = pin!(pool.submit(1));
        assert!(poll_once(first.as_mut()).is_pending());
        let mut second = pin!(pool.submit(2));
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(pool.stats().waiting, 2);
    }
    assert_eq!(pool.stats().waiting, 0);
    let third = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.submit(3).await }
    });
    gate.add_permits(2);
    third.await.unwrap().unwrap();
    pool.close(LONG).await.unwrap();
    assert_eq!((pool.stats().submitted, pool.stats().ran), (2, 2));
}

#[tokio::test]
async fn a_submit_gives_way_before_it_joins_the_line_where_jobs_are_short() {
    let pool = FuncPool::builder()
        .capacity(1)
        .queue(1)
        .build(|_: u32| async {});
    // The first one cannot know. Nor can one after another that a busy machine held up.
    let mut gave_way = false;
    for _ in 0..1000 {
        while pool.try_submit(0).is_ok() {}
        let mut submit = pin!(pool.submit(1));
        assert!(poll_once(submit.as_mut()).is_pending());
        gave_way |= pool.stats().waiting == 0;
        submit.await.unwrap();
    }
    assert!(gave_way);
    pool.close(LONG).await.unwrap();
}

#[tokio::test]
async fn a_submit_cancelled_after_it_got_in_takes_nothing_back() {
    let (pool, gate) = busy().await;
    {
        let mut blocked = pin!(pool.submit(1));
        assert!(poll_once(blocked.as_mut()).is_pending());
        gate.add_permits(2);
        while pool.stats().submitted < 2 {
            tokio::task::yield_now().await;
        }
    }
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.stats().ran, 2);
}

#[tokio::test(start_paused = true)]
async fn a_submit_times_out_on_the_clock_of_the_runtime() {
    let (pool, gate) = busy().await;
    let error = pool.submit_timeout(7, LONG).await.unwrap_err();
    assert_eq!((error.reason(), error.into_job()), (Reason::Timeout, 7));
    let late = pool.close(LONG).await;
    assert_eq!(
        late.map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 1 })
    );
    gate.add_permits(1);
}

#[tokio::test]
async fn a_rejected_future_comes_back_unpolled() {
    let pool = Pool::new(1);
    pool.close(LONG).await.unwrap();
    let (sender, receiver) = oneshot::channel();
    let error = pool
        .try_submit(async move { sender.send(5).unwrap() })
        .unwrap_err();
    assert_eq!(error.reason(), Reason::Closed);
    error.into_job().await;
    assert_eq!(receiver.await, Ok(5));
}

/// On a runtime with one thread, a worker that never yields would starve the
/// rest: the job that keeps the pool busy ends only once another task ran.
#[tokio::test]
async fn jobs_that_never_wait_leave_the_runtime_to_others() {
    for record in [true, false] {
        let pool = Pool::builder().capacity(1).queue(1).record_delay(record);
        assert_leaves_the_runtime_to_others(pool.build()).await;
    }
}

async fn assert_leaves_the_runtime_to_others(pool: Pool) {
    let seen = Arc::new(Notify::new());
    let pool = Arc::new(pool);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));

    fn again(pool: &Arc<Pool>, stop: &Arc<std::sync::atomic::AtomicBool>) {
        let (pool, stop) = (Arc::clone(pool), Arc::clone(stop));
        let next = Arc::clone(&pool);
        let _ = pool.try_submit(async move {
            if !stop.load(std::sync::atomic::Ordering::Relaxed) {
                again(&next, &stop);
            }
        });
    }
    again(&pool, &stop);
    let other = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move { seen.notify_one() }
    });
    seen.notified().await;
    other.await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    pool.close(LONG).await.unwrap();
}

#[test]
fn a_runtime_that_goes_away_closes_the_pool_and_leaves_no_job_open() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = Pool::builder()
        .capacity(1)
        .queue(3)
        .runtime(runtime.handle().clone())
        .build();
    let (started, seen) = std::sync::mpsc::channel();
    pool.try_submit(async move {
        started.send(()).unwrap();
        std::future::pending::<()>().await;
    })
    .unwrap();
    pool.try_submit(async {}).unwrap();
    seen.recv().unwrap();
    drop(runtime);

    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.ran, stats.workers), (2, 0, 0));
    let error = pool.try_submit(async {}).unwrap_err();
    assert_eq!(error.reason(), Reason::Closed);
}

#[test]
fn a_submitter_on_a_thread_of_its_own_may_block() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (gate, open) = oneshot::channel::<()>();
    let pool = Pool::builder()
        .capacity(1)
        .queue(0)
        .runtime(runtime.handle().clone())
        .build();
    pool.submit_blocking(async move { drop(open.await) })
        .unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit_blocking(async {}).is_ok());
        while pool.stats().waiting == 0 {
            std::thread::yield_now();
        }
        drop(gate);
        assert!(blocked.join().unwrap());
    });
    runtime.block_on(pool.close(LONG)).unwrap();
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn a_pool_needs_a_runtime() {
    drop(Pool::new(1));
}

#[test]
fn submitting_is_send_and_pools_are_shared() {
    fn send<T: Send>(_: T) {}
    fn shared<T: Send + Sync>() {}
    shared::<Pool>();
    shared::<FuncPool<std::cell::Cell<u8>>>();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    let pool = FuncPool::builder().capacity(1).build(|_: u8| async {});
    send(pool.submit(1));
    send(pool.submit_timeout(1, LONG));
    send(pool.close(LONG));
}

#[tokio::test]
async fn release_context_a_close_that_is_given_up_leaves_the_pool_closed_and_its_jobs_go_on() {
    let (pool, gate) = busy().await;
    {
        let mut close = pin!(pool.close(LONG));
        assert!(poll_once(close.as_mut()).is_pending());
    }
    assert!(pool.is_closed());
    assert_eq!(
        pool.close(LONG).await.map_err(|e| e.reason()),
        Err(CloseReason::Closed)
    );
    gate.add_permits(1);
    while pool.stats().workers > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.stats().ran, 1);
    pool.reopen().unwrap();
    gate.add_permits(1);
    pool.submit(2).await.unwrap();
    pool.close(LONG).await.unwrap();
}

/// Who was blocked when the pool was closed, and does not look before it is open again.
#[tokio::test]
async fn a_blocked_submitter_that_missed_a_close_is_let_in_when_the_pool_opens_again() {
    let (pool, gate) = busy().await;
    let mut blocked = pin!(pool.submit(1));
    assert!(poll_once(blocked.as_mut()).is_pending());
    pool.close(Duration::ZERO).await.unwrap_err();
    gate.add_permits(1);
    while pool.reopen().is_err() {
        tokio::task::yield_now().await;
    }
    assert!(poll_once(blocked.as_mut()).is_ready());
    gate.add_permits(1);
    pool.close(LONG).await.unwrap();
    assert_eq!((pool.stats().submitted, pool.stats().ran), (2, 2));
}
