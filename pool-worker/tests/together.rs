//! Many jobs as one, and jobs with results: batches, bulk submission, calls, and what the
//! submitter runs itself.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pool_worker::{Batch, JobError, JobFailure, Reason, TrySubmit, tasks, threads};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_future_of_a_batch_that_panics_is_told() {
    let pool = tasks::Pool::new(2);
    let batch = Batch::of(&pool);
    let panics = async {
        tokio::task::yield_now().await;
        panic!("as intended");
    };
    pool.submit(batch.future(panics)).await.unwrap();
    pool.submit(batch.future(async {})).await.unwrap();
    drop(batch.future(async {}));
    let outcome = batch.ended().await;
    assert_eq!((outcome.ran, outcome.panicked, outcome.dropped), (1, 1, 1));
}

#[test]
fn a_batch_tells_what_became_of_each_job() {
    let pool = threads::Pool::new(2);
    let batch = Batch::new();
    for _ in 0..5 {
        pool.submit(batch.job(|| ())).unwrap();
    }
    pool.submit(batch.job(|| panic!("as intended"))).unwrap();
    pool.close(LONG).unwrap();
    drop(pool.submit(batch.job(|| ())).unwrap_err());
    let outcome = batch.wait();
    assert_eq!((outcome.ran, outcome.panicked, outcome.dropped), (5, 1, 1));
}

#[test]
fn a_batch_is_waited_for_up_to_a_limit_and_then_again() {
    let (pool, batch) = (threads::Pool::new(1), Batch::new());
    let (gate, closed) = channel::<()>();
    pool.submit(batch.job(move || assert!(closed.recv().is_err())))
        .unwrap();
    for limit in [Duration::ZERO, Duration::from_millis(1)] {
        assert_eq!(batch.wait_timeout(limit), None);
    }
    drop(gate);
    assert_eq!(batch.wait_timeout(LONG).unwrap().ran, 1);
}

#[tokio::test]
async fn async_code_calls_a_function_pool_of_threads() {
    let builder = threads::FuncPool::builder().capacity(1).queue(0);
    let pool = builder.build_calls(|n: u64| n * n);
    // With no queue the second waits for room.
    let squares = [
        pool.call_async(3).await.unwrap(),
        pool.call_async(4).await.unwrap(),
    ];
    for (square, expected) in squares.into_iter().zip([9, 16]) {
        assert_eq!(square.await.unwrap(), expected);
    }
    pool.close(LONG).unwrap();
    let refused = pool.call_async(5).await.unwrap_err();
    assert_eq!((refused.reason(), refused.into_job()), (Reason::Closed, 5));
}

#[tokio::test]
async fn a_batch_is_awaited_over_both_engines() {
    let (cpu, io) = (threads::Pool::new(2), tasks::Pool::new(2));
    let squares = threads::FuncPool::new(1, |(n, ticket): (u64, pool_worker::Ticket)| {
        assert!(n < 10);
        ticket.ran();
    });
    let batch = Batch::new();
    for n in 0..10 {
        cpu.submit(batch.job(|| ())).unwrap();
        io.submit(batch.future(tokio::task::yield_now()))
            .await
            .unwrap();
        squares.submit((n, batch.ticket())).unwrap();
    }
    assert_eq!(batch.ended().await.ran, 30);
}

#[test]
fn a_job_that_waits_for_a_batch_of_its_own_pool_is_told() {
    let pool = Arc::new(threads::Pool::builder().capacity(1).queue(1).build());
    let (done, ran) = channel();
    let inner = Arc::clone(&pool);
    let waits = pool.spawn(move || {
        let batch = Batch::of(&*inner);
        let submitted = inner.try_submit(batch.job(move || done.send(()).unwrap()));
        submitted.expect("there is room to wait");
        batch.wait()
    });
    let told = waits.unwrap().wait().unwrap_err();
    let JobFailure::Panicked(told) = told.into_reason() else {
        panic!("no panic");
    };
    let told = told.downcast::<String>().unwrap();
    assert!(told.ends_with("waits for others of it"), "{told}");
    ran.recv().unwrap();

    // Another pool's job may.
    let (other, pool) = (threads::Pool::new(1), Arc::clone(&pool));
    let waits = other.spawn(move || {
        let batch = Batch::of(&*pool);
        pool.submit(batch.job(|| ())).unwrap();
        batch.wait().ran
    });
    assert_eq!(waits.unwrap().wait().unwrap(), 1);
}

#[test]
fn what_of_many_does_not_fit_comes_back_in_order() {
    let pool = threads::FuncPool::builder()
        .capacity(1)
        .queue(3)
        .build(|_: u32| ());
    pool.pause();
    let rest = pool.try_submit_all(0..10).unwrap_err();
    assert_eq!((rest.accepted(), rest.reason()), (4, Reason::Full));
    assert_eq!(rest.into_jobs(), [4, 5, 6, 7, 8, 9]);
    pool.resume();
    assert_eq!(pool.submit_all(0..100).unwrap(), 100);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 104);
    let rest = pool.submit_all([1, 2]).unwrap_err();
    assert_eq!((rest.accepted(), rest.reason()), (0, Reason::Closed));
    assert_eq!(rest.into_jobs(), [1, 2]);
}

#[tokio::test]
async fn many_are_awaited_as_one() {
    let pool = tasks::FuncPool::builder()
        .capacity(1)
        .queue(1)
        .build(|_: u32| tokio::task::yield_now());
    assert_eq!(pool.submit_all(0..50).await.unwrap(), 50);
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.submit_all(0..2).await.unwrap_err().into_jobs(), [0, 1]);
    let pool = tasks::Pool::new(1);
    let jobs = (0..50).map(|_| tokio::task::yield_now());
    assert_eq!(pool.submit_all(jobs).await.unwrap(), 50);
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.stats().ran, 50);
}

#[test]
fn a_call_gives_its_result_or_its_panic() {
    let pool = threads::FuncPool::builder()
        .capacity(1)
        .queue(4)
        .build_calls(|n: u32| 100 / n);
    let calls = [5, 0, 4].map(|n| pool.call(n).unwrap());
    let [five, none, four] = calls.map(pool_worker::Handle::wait);
    assert_eq!((five.unwrap(), four.unwrap()), (20, 25));
    assert!(matches!(
        none.map_err(JobError::into_reason),
        Err(JobFailure::Panicked(_))
    ));
    pool.pause();
    let call = pool.call(1).unwrap();
    assert!(call.cancel());
    pool.resume();
    pool.close(LONG).unwrap();
    assert_eq!(pool.try_call(9).unwrap_err().into_job(), 9);
    let stats = pool.stats();
    assert_eq!((stats.ran, stats.panicked, stats.cancelled), (2, 1, 1));
}

#[tokio::test]
async fn a_call_is_awaited() {
    let pool = tasks::FuncPool::builder().build_calls(|n: u32| async move { 100 / n });
    let (five, none) = (pool.call(5).await.unwrap(), pool.try_call(0).unwrap());
    assert_eq!(five.await.unwrap(), 20);
    assert!(matches!(
        none.await.map_err(JobError::into_reason),
        Err(JobFailure::Panicked(_))
    ));
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.call(9).await.unwrap_err().into_job(), 9);
}

#[test]
fn a_full_function_pool_lets_its_submitter_run_the_job() {
    let (ran, seen) = channel();
    let pool = threads::FuncPool::builder().capacity(1).queue(0).build(
        move |gate: Option<std::sync::mpsc::Receiver<()>>| {
            if let Some(gate) = gate {
                assert!(gate.recv().is_err());
            }
            ran.send(std::thread::current().id()).unwrap();
        },
    );
    let (gate, closed) = channel();
    assert!(pool.submit_or_run(Some(closed)).unwrap());
    assert!(!pool.submit_or_run(None).unwrap());
    assert_eq!(seen.recv().unwrap(), std::thread::current().id());
    drop(gate);
    pool.close(LONG).unwrap();
    assert_ne!(seen.recv().unwrap(), std::thread::current().id());
    assert!(pool.submit_or_run(None).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_of_tasks_waits_until_a_deadline_or_runs_here() {
    let pool = tasks::Pool::builder().capacity(1).queue(0).build();
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    pool.submit(async { drop(open.await) }).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    let late = pool.submit_until(async {}, deadline).await.unwrap_err();
    assert_eq!(late.reason(), Reason::Timeout);
    let (ran, seen) = tokio::sync::oneshot::channel();
    let job = async { ran.send(1).unwrap() };
    assert!(!pool.submit_or_run(job).await.unwrap());
    assert_eq!(seen.await, Ok(1));
    drop(gate);
    pool.wait_idle().await;
    let func = tasks::FuncPool::new(1, |_: u8| async {});
    assert!(func.submit_or_run(1).await.unwrap());
    func.submit_until(2, deadline).await.unwrap();
    func.close(LONG).await.unwrap();
    assert_eq!(func.stats().ran, 2);
}
