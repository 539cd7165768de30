//! Who waits no longer leaves nothing behind, and a waker may do anything as it is woken
//! or dropped.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use pool_worker::{Batch, MultiPool, Strategy, tasks, threads};

mod gate;

use gate::{LONG, gated, until};

/// A waker that calls this as it is woken and as the last of it is dropped.
struct Calls<F: Fn() + Send + Sync + 'static>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync + 'static> Drop for Calls<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls many of these futures, each with a waker of its own, and drops them.
fn leave_nothing<F: Future>(what: &str, wait: impl Fn() -> F) {
    let wakers: Vec<_> = (0..100).map(|_| Arc::new(Calls(|| ()))).collect();
    for waker in &wakers {
        let future = pin!(wait());
        assert!(poll(future, &Waker::from(Arc::clone(waker))).is_pending());
    }
    let left = wakers.iter().filter(|waker| Arc::strong_count(waker) > 1);
    assert_eq!(left.count(), 0, "{what} leaves its waker behind");
}

#[tokio::test]
async fn a_wait_that_is_dropped_takes_its_waker_along() {
    let pool = Arc::new(tasks::Pool::builder().capacity(1).queue(1).build());
    let batch = Batch::new();
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, closed) = tokio::sync::oneshot::channel::<()>();
    let gated = batch.future(async {
        closed.await.unwrap_err();
    });
    part.submit(gated).await.unwrap();
    leave_nothing("wait_idle", || pool.wait_idle());
    leave_nothing("the wait for a batch", || batch.ended());
    leave_nothing("wait_idle of a part", || part.wait_idle());
    leave_nothing("submit to a part", || part.submit(async {}));
    let pending = std::future::pending::<()>();
    pool.submit(pending).await.unwrap();
    leave_nothing("submit", || pool.submit(async {}));
    leave_nothing("submit_timeout", || pool.submit_timeout(async {}, LONG));
    assert_eq!(pool.stats().waiting, 0);

    let make = |_| tasks::Pool::builder().capacity(1).build();
    let pools = MultiPool::new(2, Strategy::RoundRobin, make).unwrap();
    pools.pools()[1]
        .submit(std::future::pending())
        .await
        .unwrap();
    leave_nothing("wait_idle of many", || pools.wait_idle());

    // Each but the first finds the pool closed.
    let closing = Arc::new(Calls(|| ()));
    let waker = Waker::from(Arc::clone(&closing));
    assert!(poll(pin!(pool.close(LONG)), &waker).is_pending());
    assert!(poll(pin!(pools.close(LONG)), &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&closing), 1);
    drop(gate);
}

#[test]
fn a_handle_that_is_dropped_takes_its_waker_along() {
    let pool = threads::Pool::new(1);
    let (gate, job) = gated();
    let waker = Arc::new(Calls(|| ()));
    let mut handle = pool.spawn(job).unwrap();
    assert!(poll(pin!(&mut handle), &Waker::from(Arc::clone(&waker))).is_pending());
    assert_eq!(Arc::strong_count(&waker), 2);
    drop(handle);
    assert_eq!(Arc::strong_count(&waker), 1);
    drop(gate);
}

#[test]
fn a_wait_that_is_polled_by_another_task_lets_the_first_waker_go() {
    let pool = threads::Pool::builder().capacity(1).queue(0).build();
    let (gate, job) = gated();
    let mut handle = pool.spawn(job).unwrap();
    let mut submission = pin!(pool.submit_async(|| ()));
    let wakers = [(); 2].map(|()| Arc::new(Calls(|| ())));
    for waker in &wakers {
        let waker = Waker::from(Arc::clone(waker));
        assert!(poll(pin!(&mut handle), &waker).is_pending());
        assert!(poll(submission.as_mut(), &waker).is_pending());
    }
    assert_eq!(wakers.map(|waker| Arc::strong_count(&waker)), [1, 3]);
    drop(gate);
}

/// Runs a case that hangs where foreign code runs under a lock.
fn not_for_ever(case: impl FnOnce() + Send + 'static) {
    let (done, seen) = channel();
    let case = thread::spawn(move || {
        case();
        done.send(()).unwrap();
    });
    let hangs = matches!(
        seen.recv_timeout(LONG),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    );
    assert!(!hangs, "a waker was called under a lock");
    case.join().unwrap();
}

#[test]
fn the_waker_of_a_blocked_submitter_may_use_the_pool() {
    not_for_ever(|| {
        let pool = Arc::new(threads::Pool::builder().capacity(1).queue(0).build());
        let (gate, job) = gated();
        pool.submit(job).unwrap();
        let again = || {
            let pool = Arc::clone(&pool);
            Waker::from(Arc::new(Calls(move || {
                let _ = pool.stats();
                let _ = pool.try_submit(|| ());
            })))
        };
        let mut submissions = [(); 2].map(|()| Box::pin(pool.submit_async(|| ())));
        for submission in &mut submissions {
            assert!(poll(submission.as_mut(), &again()).is_pending());
            // Replaces the first one, which is dropped.
            assert!(poll(submission.as_mut(), &again()).is_pending());
        }
        // One takes its waker along, the other is woken by the close.
        let [first, mut second] = submissions;
        drop(first);
        assert!(pool.close(std::time::Duration::ZERO).is_err());
        assert!(poll(second.as_mut(), Waker::noop()).is_ready());
        drop(second);
        drop(gate);
        until(|| pool.stats().workers == 0);
    });
}

#[test]
fn the_waker_of_who_waits_for_the_end_may_use_the_pool() {
    not_for_ever(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let pool = tasks::Pool::builder().runtime(runtime.handle().clone());
        let pool = Arc::new(pool.capacity(1).queue(1).build());
        let part = Arc::new(tasks::SubPool::new(&pool, "part", 1));
        let batch = Batch::new();
        let (gate, closed) = tokio::sync::oneshot::channel::<()>();
        let job = batch.future(async {
            closed.await.unwrap_err();
        });
        part.try_submit(job).unwrap();
        let (woken, wakes) = channel();
        let again = || {
            let (pool, part, batch) = (Arc::clone(&pool), Arc::clone(&part), batch.clone());
            let woken = woken.clone();
            Waker::from(Arc::new(Calls(move || {
                let _ = (pool.stats(), part.taken(), format!("{batch:?}"));
                let _ = pool.try_submit(async {});
                let _ = part.try_submit(async {});
                drop(batch.ticket());
                let _ = woken.send(());
            })))
        };
        let mut idle = pin!(pool.wait_idle());
        let mut part_idle = pin!(part.wait_idle());
        let mut ended = pin!(batch.ended());
        let mut place = pin!(part.submit(async {}));
        for _ in 0..2 {
            assert!(poll(idle.as_mut(), &again()).is_pending());
            assert!(poll(part_idle.as_mut(), &again()).is_pending());
            assert!(poll(ended.as_mut(), &again()).is_pending());
            assert!(poll(place.as_mut(), &again()).is_pending());
        }
        drop(gate);
        runtime.block_on(batch.ended());
        for _ in 0..8 {
            wakes.recv_timeout(LONG).unwrap();
        }
    });
}

#[test]
fn the_waker_of_a_handle_may_wait_for_the_job() {
    not_for_ever(|| {
        let pool = Arc::new(threads::Pool::new(1));
        let (gate, job) = gated();
        let mut handle = pool.spawn(job).unwrap();
        let inside = Arc::clone(&pool);
        let gate = std::sync::Mutex::new(Some(gate));
        let waits = Waker::from(Arc::new(Calls(move || {
            drop(gate.lock().unwrap().take());
            inside.wait_idle();
        })));
        assert!(poll(pin!(&mut handle), &waits).is_pending());
        drop(waits);
        // The last of that waker is replaced, and so dropped.
        let _ = poll(pin!(&mut handle), Waker::noop());
        handle.wait().unwrap();
    });
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    let pool = threads::Pool::new(1);
    let (gate, job) = gated();
    let batch = Batch::new();
    pool.submit(batch.job(job)).unwrap();
    let mut bad = pin!(batch.ended());
    let mut good = pin!(batch.ended());
    let once = std::sync::atomic::AtomicBool::new(true);
    let panics = Waker::from(Arc::new(Calls(move || {
        assert!(
            !once.swap(false, std::sync::atomic::Ordering::SeqCst),
            "as intended"
        );
    })));
    let (woken, wakes) = channel();
    let tells = Waker::from(Arc::new(Calls(move || woken.send(()).unwrap())));
    assert!(poll(bad.as_mut(), &panics).is_pending());
    assert!(poll(good.as_mut(), &tells).is_pending());
    drop(gate);
    wakes.recv_timeout(LONG).unwrap();
    pool.wait_idle();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (1, 0));
}
