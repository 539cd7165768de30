//! What only the pools of threads promise.
#![cfg(not(loom_models))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pool_worker::Reason;
use pool_worker::threads::{FuncPool, Pool};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_drop_waits_for_what_was_accepted() {
    let ran = Arc::new(AtomicUsize::new(0));
    let pool = Pool::builder().capacity(2).queue(100).build();
    for _ in 0..100 {
        let ran = Arc::clone(&ran);
        pool.submit(move || {
            std::thread::yield_now();
            ran.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    }
    drop(pool);
    assert_eq!(ran.load(Ordering::Relaxed), 100);
}

#[test]
fn workers_carry_the_name_of_the_pool_and_its_stack() {
    let pool = Pool::builder()
        .name("thumbnails")
        .capacity(1)
        .thread_stack_size(16 << 20)
        .build();
    let (tell, told) = channel();
    pool.submit(move || {
        // More than a thread has by default.
        let room = std::hint::black_box([1u8; 4 << 20]);
        let name = std::thread::current().name().map(str::to_owned);
        tell.send((name, room.len())).unwrap();
    })
    .unwrap();
    assert_eq!(
        told.recv().unwrap(),
        (Some("thumbnails".to_owned()), 4 << 20)
    );
}

#[test]
fn a_typed_argument_comes_back_as_it_was() {
    let pool = FuncPool::new(1, |_: Vec<u8>| ());
    pool.close(LONG).unwrap();
    let error = pool.submit(vec![1, 2, 3]).unwrap_err();
    assert_eq!(error.to_string(), "pool \"pool\" is closed");
    assert_eq!(
        format!("{error:?}"),
        "SubmitError { pool: \"pool\", reason: Closed, .. }"
    );
    assert_eq!(error.reason(), Reason::Closed);
    assert_eq!(error.into_job(), [1, 2, 3]);
}

#[test]
fn every_argument_is_consumed() {
    let pool = FuncPool::builder()
        .capacity(1)
        .queue(10)
        .build(|held: Arc<()>| drop(held));
    let held = Arc::new(());
    for _ in 0..10 {
        pool.submit(Arc::clone(&held)).unwrap();
    }
    drop(pool);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
#[should_panic(expected = "at least 1")]
fn a_pool_without_workers_is_refused() {
    drop(Pool::new(0));
}

#[test]
#[should_panic(expected = "capacity and queue bound together")]
fn a_queue_beyond_counting_is_refused() {
    drop(Pool::builder().queue(usize::MAX).build());
}

#[test]
fn what_does_not_fit_runs_on_the_caller() {
    let pool = Pool::builder().capacity(1).queue(0).build();
    let (gate, closed) = channel::<()>();
    assert!(
        pool.submit_or_run(move || assert!(closed.recv().is_err()))
            .unwrap()
    );
    let (ran, seen) = channel();
    let job = move || ran.send(std::thread::current().id()).unwrap();
    assert!(!pool.submit_or_run(job).unwrap());
    assert_eq!(seen.recv().unwrap(), std::thread::current().id());
    drop(gate);
    pool.close(LONG).unwrap();
    let error = pool.submit_or_run(|| ()).unwrap_err();
    assert_eq!(error.reason(), Reason::Closed);
}

#[test]
fn a_submit_ends_at_its_deadline() {
    let pool = Pool::builder().capacity(1).queue(0).build();
    let (gate, closed) = channel::<()>();
    pool.submit(move || assert!(closed.recv().is_err()))
        .unwrap();
    let error = pool.submit_until(|| (), Instant::now()).unwrap_err();
    assert_eq!(error.reason(), Reason::Timeout);
    drop(gate);
    pool.submit_until(|| (), Instant::now() + LONG).unwrap();
}
