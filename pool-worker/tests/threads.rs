//! What only the pools of threads promise.
#![cfg(not(loom_models))]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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
fn a_state_of_a_worker_need_not_be_send() {
    use std::{cell::Cell, rc::Rc};

    let (tell, told) = channel();
    let builder = FuncPool::builder().capacity(1);
    let pool = builder.build_with_state(
        || Rc::new(Cell::new(0)),
        move |state: &mut Rc<Cell<u32>>, n: u32| {
            state.set(state.get() + n);
            tell.send(state.get()).unwrap();
        },
    );
    pool.submit_all([1, 2, 3]).unwrap();
    assert!(told.iter().take(3).eq([1, 3, 6]));
}

/// The standard library panics at a thread's name with one.
#[test]
fn a_nul_in_the_name_of_a_pool_is_left_out_of_those_of_its_workers() {
    let pool = Pool::builder().name("thumb\0nails").capacity(1).build();
    assert_eq!(pool.name(), "thumb\0nails");
    let worker = pool.spawn(|| std::thread::current().name().map(str::to_owned));
    let name = worker.unwrap().wait().unwrap();
    assert_eq!(name.as_deref(), Some("thumbnails"));
}

#[test]
fn a_typed_argument_comes_back_as_it_was() {
    let pool = FuncPool::new(1, |_: Vec<u8>| ());
    pool.close(LONG).unwrap();
    let error = pool.submit(vec![1, 2, 3]).unwrap_err();
    assert_eq!(error.to_string(), "pool \"pool\" is closed");
    assert_eq!(
        format!("{error:?}"),
        "SubmitError { pool: \"pool\", job_name: None, reason: Closed, .. }"
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

/// Polls once, as a task does before it is cancelled.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn async_code_waits_for_room_and_no_thread_with_it() {
    let pool = Pool::builder().capacity(1).queue(0).build();
    let (gate, closed) = channel::<()>();
    pool.submit_async(move || assert!(closed.recv().is_err()))
        .await
        .unwrap();
    {
        let mut given_up = pin!(pool.submit_async(|| ()));
        assert!(poll_once(given_up.as_mut()).is_pending());
        assert_eq!(pool.stats().waiting, 1);
    }
    assert_eq!(pool.stats().waiting, 0);
    let mut spawned = pin!(pool.spawn_async(|| 6 * 7));
    assert!(poll_once(spawned.as_mut()).is_pending());
    drop(gate);
    assert_eq!(spawned.await.unwrap().await.unwrap(), 42);
    assert_eq!(pool.blocked().count, 2);
    pool.close(LONG).unwrap();
    let refused = pool.spawn_async(|| 5).await.unwrap_err();
    assert_eq!(
        (refused.reason(), (refused.into_job())()),
        (Reason::Closed, 5)
    );
    assert_eq!((pool.stats().submitted, pool.stats().ran), (2, 2));
}

#[tokio::test]
async fn a_close_ends_the_wait_of_async_code() {
    let (gate, closed) = channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let pool = FuncPool::builder()
        .capacity(1)
        .queue(0)
        .build(move |_: u8| {
            closed.lock().unwrap().recv().unwrap_err();
        });
    pool.submit_async(1).await.unwrap();
    let mut blocked = pin!(pool.submit_async(2));
    assert!(poll_once(blocked.as_mut()).is_pending());
    pool.close(Duration::ZERO).unwrap_err();
    let refused = blocked.await.unwrap_err();
    assert_eq!((refused.reason(), refused.into_job()), (Reason::Closed, 2));
    drop(gate);
}

#[test]
fn what_async_code_submits_is_sent_from_thread_to_thread() {
    fn send<T: Send>(_: T) {}
    let pool = Pool::new(1);
    send(pool.submit_async(|| ()));
    send(pool.spawn_async(|| 1));
    send(FuncPool::new(1, |_: std::cell::Cell<u8>| ()).submit_async(std::cell::Cell::new(1)));
}
