//! The life of a worker: its state, its hooks, its names.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{CloseReason, ReopenReason, tasks, threads};

mod gate;

use gate::{LONG, gated, until};

#[test]
fn a_state_is_made_once_a_worker_and_need_not_be_send() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let (told, seen) = channel();
    let pool = threads::FuncPool::builder().capacity(1).build_with_state(
        || {
            MADE.fetch_add(1, SeqCst);
            Rc::new(Cell::new(0))
        },
        move |state: &mut Rc<Cell<u32>>, n: u32| {
            state.set(state.get() + n);
            told.send(state.get()).unwrap();
        },
    );
    pool.submit_all([1, 2, 3]).unwrap();
    assert!(seen.iter().take(3).eq([1, 3, 6]));
    pool.close(LONG).unwrap();
    assert_eq!(MADE.load(SeqCst), 1);
    // Another worker, another state.
    pool.reopen().unwrap();
    pool.submit(10).unwrap();
    assert_eq!(seen.recv().unwrap(), 10);
}

#[test]
fn a_state_whose_job_panicked_is_made_anew() {
    let (told, seen) = channel();
    let run = move |state: &mut u32, n: u32| {
        assert!(n > 0, "as intended");
        *state += n;
        told.send(*state).unwrap();
    };
    let builder = threads::FuncPool::builder().capacity(1);
    let pool = builder.build_with_state(|| 0, run);
    pool.submit_all([1, 2, 0, 4]).unwrap();
    pool.close(LONG).unwrap();
    assert!(seen.try_iter().eq([1, 3, 4]));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

#[test]
fn a_state_that_cannot_be_made_costs_the_job_and_no_more() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let make = || assert!(TRIES.fetch_add(1, SeqCst) > 0, "as intended");
    let builder = threads::FuncPool::builder().capacity(1);
    let pool = builder.build_with_state(make, |(): &mut (), ()| ());
    pool.submit_all([(), (), ()]).unwrap();
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}

#[tokio::test]
async fn a_state_goes_from_job_to_job_on_tasks() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let run = move |state: u32, n: u32| {
        let told = Arc::clone(&told);
        async move {
            tokio::task::yield_now().await;
            assert!(n > 0, "as intended");
            told.lock().unwrap().push(state + n);
            state + n
        }
    };
    let builder = tasks::FuncPool::builder().capacity(1);
    let pool = builder.build_with_state(|| 0, run);
    pool.submit_all([1, 2, 0, 4]).await.unwrap();
    pool.close(LONG).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 3, 4]);
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

/// The state of a worker, which says that it is dropped, and waits.
struct Slow(Sender<()>, Receiver<()>);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
        self.1.recv().unwrap_err();
    }
}

/// One such state; when it is dropped; and what lets that go on.
fn slow() -> (Mutex<Option<Slow>>, Receiver<()>, Sender<()>) {
    let (dropping, dropped) = channel();
    let (gate, closed) = channel();
    (Mutex::new(Some(Slow(dropping, closed))), dropped, gate)
}

#[test]
fn a_close_waits_for_the_drop_of_a_state() {
    let (state, dropped, gate) = slow();
    let pool = threads::FuncPool::builder().capacity(1).build_with_state(
        move || state.lock().unwrap().take().unwrap(),
        |_: &mut Slow, ()| (),
    );
    pool.submit(()).unwrap();
    pool.wait_idle();
    let late = pool.close(Duration::ZERO);
    assert_eq!(
        late.map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 0 })
    );
    dropped.recv().unwrap();
    assert_eq!(pool.stats().workers, 1);
    assert_eq!(
        pool.reopen().map_err(|e| e.reason()),
        Err(ReopenReason::Draining)
    );
    drop(gate);
    while pool.stats().workers > 0 {
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_waits_for_the_drop_of_a_state_on_tasks() {
    let (state, dropped, gate) = slow();
    let pool = tasks::FuncPool::builder().capacity(1).build_with_state(
        move || state.lock().unwrap().take().unwrap(),
        |state: Slow, ()| async { state },
    );
    pool.submit(()).await.unwrap();
    pool.wait_idle().await;
    let late = pool.close(Duration::ZERO).await;
    assert_eq!(
        late.map_err(|e| e.reason()),
        Err(CloseReason::Late { unfinished: 0 })
    );
    dropped.recv().unwrap();
    assert_eq!(pool.stats().workers, 1);
    assert_eq!(
        pool.reopen().map_err(|e| e.reason()),
        Err(ReopenReason::Draining)
    );
    drop(gate);
    while pool.stats().workers > 0 {
        tokio::task::yield_now().await;
    }
}

/// Panics as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as intended");
    }
}

#[tokio::test]
async fn a_state_that_panics_as_it_drops_holds_no_close_up() {
    let pool = threads::FuncPool::builder()
        .capacity(1)
        .build_with_state(|| Bomb, |_: &mut Bomb, ()| ());
    pool.submit(()).unwrap();
    pool.close(LONG).unwrap();

    let pool = tasks::FuncPool::builder()
        .capacity(1)
        .build_with_state(|| Bomb, |bomb: Bomb, ()| async { bomb });
    pool.submit(()).await.unwrap();
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.stats().ran, 1);
}

/// A hook that counts its calls there. The panic of the second costs nothing.
fn count(at: &Arc<AtomicUsize>) -> impl Fn(&str) + use<> {
    let at = Arc::clone(at);
    move |pool| {
        assert_eq!(pool, "hooked");
        assert!(at.fetch_add(1, SeqCst) == 0, "as intended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_called_around_the_life_of_each_worker() {
    let (begun, ended) = (Arc::default(), Arc::default());
    let pool = threads::Pool::builder()
        .name("hooked")
        .capacity(2)
        .prestart(2)
        .on_worker_start(count(&begun))
        .on_worker_stop(count(&ended))
        .build();
    pool.submit(|| ()).unwrap();
    pool.close(LONG).unwrap();
    assert_eq!((begun.load(SeqCst), ended.load(SeqCst)), (2, 2));

    let (begun, ended) = (Arc::default(), Arc::default());
    let pool = tasks::Pool::builder()
        .name("hooked")
        .capacity(2)
        .prestart(2)
        .on_worker_start(count(&begun))
        .on_worker_stop(count(&ended))
        .build();
    pool.submit(async {}).await.unwrap();
    pool.close(LONG).await.unwrap();
    assert_eq!((begun.load(SeqCst), ended.load(SeqCst)), (2, 2));
}

/// Returns on each worker when all three are at it.
fn waits_for_three() -> impl Fn(&str) + Send + Sync {
    let begun = AtomicUsize::new(0);
    move |_| {
        begun.fetch_add(1, SeqCst);
        until(|| begun.load(SeqCst) >= 3);
    }
}

#[test]
fn a_hook_that_takes_long_holds_no_other_worker_up() {
    let builder = threads::Pool::builder().capacity(3).queue(3);
    let pool = builder.on_worker_start(waits_for_three()).build();
    let handles = [(); 3].map(|()| pool.spawn(|| 1).unwrap());
    assert_eq!(handles.map(|handle| handle.wait().unwrap()), [1; 3]);
    assert_eq!(pool.stats().workers, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hook_that_takes_long_holds_no_other_task_up() {
    let builder = tasks::Pool::builder().capacity(3).queue(3);
    let pool = builder.on_worker_start(waits_for_three()).build();
    for handle in [(); 3].map(|()| pool.try_spawn(async { 1 }).unwrap()) {
        assert_eq!(handle.await.unwrap(), 1);
    }
    assert_eq!(pool.stats().workers, 3);
}

/// A hook that waits for its gate on each worker but the first; and how many came to it.
fn waits_but_for_the_first() -> (Sender<()>, impl Fn(&str) + Send + Sync, Arc<AtomicUsize>) {
    let (gate, closed) = channel::<()>();
    let (closed, begun) = (Mutex::new(closed), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&begun);
    let hook = move |_: &str| {
        if count.fetch_add(1, SeqCst) > 0 {
            closed.lock().unwrap().recv().unwrap_err();
        }
    };
    (gate, hook, begun)
}

/// The one worker that is left to run jobs does so, and those that see to their hooks leave
/// after them.
#[test]
fn a_capacity_that_is_lowered_while_hooks_run_holds_no_job_up() {
    let (gate, hook, begun) = waits_but_for_the_first();
    let builder = threads::Pool::builder().capacity(3).prestart(3);
    let pool = builder.on_worker_start(hook).build();
    until(|| begun.load(SeqCst) == 3);
    pool.set_capacity(1);
    let (tell, told) = channel();
    for _ in 0..3 {
        let tell = tell.clone();
        pool.submit(move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(LONG).unwrap();
    }
    drop(gate);
    until(|| pool.stats().workers == 1);
    pool.close(LONG).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_capacity_that_is_lowered_while_hooks_of_tasks_run_holds_no_job_up() {
    let (gate, hook, begun) = waits_but_for_the_first();
    let builder = tasks::Pool::builder().capacity(3).prestart(3);
    let pool = builder.on_worker_start(hook).build();
    until(|| begun.load(SeqCst) == 3);
    pool.set_capacity(1);
    let (tell, told) = channel();
    for _ in 0..3 {
        let tell = tell.clone();
        pool.try_submit(async move { tell.send(()).unwrap() })
            .unwrap();
        told.recv_timeout(LONG).unwrap();
    }
    drop(gate);
    until(|| pool.stats().workers == 1);
    pool.close(LONG).await.unwrap();
}

/// One job needs one worker, however long that takes to begin.
#[test]
fn a_hook_that_takes_long_makes_no_worker_that_has_no_job() {
    let (gate, hook) = gated();
    let hook = Mutex::new(Some(hook));
    let builder = threads::Pool::builder().capacity(8).queue(8);
    let hook = move |_: &str| hook.lock().unwrap().take().unwrap()();
    let pool = builder.on_worker_start(hook).build();
    let handle = pool.spawn(|| 1).unwrap();
    assert_eq!(pool.stats().workers, 1);
    drop(gate);
    assert_eq!(handle.wait().unwrap(), 1);
    assert_eq!(pool.stats().workers, 1);
}
