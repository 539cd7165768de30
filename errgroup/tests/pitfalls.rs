//! What groups of tasks are known to get wrong, a test each.
//!
//! One is a matter of types: tasks that borrow from the caller and run beside it
//! cannot be had soundly with futures, which may be forgotten; that such a task
//! does not compile is held by the documentation of `Handle::spawn`.

mod poll_once;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;

use errgroup::{Cause, Group, Reason, SpawnError, scope};
use poll_once::poll_once;
use tokio::sync::{Barrier, mpsc, oneshot};

/// Counts how many of these there are.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What hangs is to fail.
async fn in_time<F: Future>(it: F) -> F::Output {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, it).await.expect("it hangs")
}

#[test]
fn tasks_that_borrow_outlive_what_they_borrow() {
    // They are gone when `scope` returns, also by a panic of its body.
    let text = std::sync::Mutex::new(String::from("borrowed"));
    let panicked = std::panic::catch_unwind(|| {
        let _: Result<(), ()> = scope(|scope| {
            let (started, has_started) = std::sync::mpsc::channel();
            let (sibling, text) = (scope.clone(), &text);
            scope.spawn(move || {
                started.send(()).unwrap();
                sibling.wait_cancelled();
                text.lock().unwrap().push_str(" to the end");
                Ok(())
            });
            has_started.recv().unwrap();
            panic!("the body")
        });
    });
    assert!(panicked.is_err());
    assert_eq!(text.into_inner().unwrap(), "borrowed to the end");
}

/// On this runtime's only thread a drop that waits for the task would wait for
/// ever.
#[tokio::test]
async fn a_drop_blocks_until_the_tasks_are_done() {
    let (release, released) = oneshot::channel::<()>();
    let (done, is_done) = oneshot::channel();
    let group = Group::<()>::new();
    group.spawn(async move {
        released.await.unwrap();
        done.send(()).unwrap();
        Ok(())
    });
    tokio::task::yield_now().await;
    drop(group);
    release.send(()).unwrap();
    is_done.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_is_taken_for_finished() {
    for limit in [4, usize::MAX] {
        let alive = Arc::new(AtomicUsize::new(0));
        let started = Arc::new(Barrier::new(5));
        let group = Group::<()>::new().limit(limit).grace(Duration::ZERO);
        for _ in 0..4 {
            let (held, started) = (Alive::new(&alive), Arc::clone(&started));
            group.spawn(async move {
                started.wait().await;
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            });
        }
        started.wait().await;
        group.cancel();
        in_time(group.wait()).await.unwrap();
        assert_eq!(alive.load(SeqCst), 0, "wait returned before the last drop");
    }
}

#[tokio::test]
async fn a_blocking_job_that_runs_is_taken_for_aborted() {
    let (started, has_started) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let ended = Arc::new(AtomicUsize::new(0));
    let group = Group::<()>::new().grace(Duration::ZERO);
    let ended_there = Arc::clone(&ended);
    group.spawn_blocking(move || {
        started.send(()).unwrap();
        released.recv().unwrap();
        ended_there.store(1, SeqCst);
        Ok(())
    });
    has_started.await.unwrap();
    group.cancel();
    let mut wait = Box::pin(group.wait());
    assert!(
        poll_once(&mut wait).await.is_pending(),
        "the job still runs"
    );
    release.send(()).unwrap();
    wait.await.unwrap();
    assert_eq!(ended.load(SeqCst), 1);
}

/// Go's group of this limit deadlocks.
#[tokio::test]
async fn a_nested_spawn_on_a_full_group_deadlocks() {
    let group = Group::<()>::new().limit(1).backlog(0);
    let ran = Arc::new(AtomicUsize::new(0));
    let (handle, ran_there) = (group.handle(), Arc::clone(&ran));
    group.spawn(async move {
        for _ in 0..3 {
            let ran = Arc::clone(&ran_there);
            let child = async move {
                ran.fetch_add(1, SeqCst);
                Ok(())
            };
            handle.spawn_wait(child).await.unwrap();
        }
        Ok(())
    });
    in_time(group.wait()).await.unwrap();
    assert_eq!(ran.load(SeqCst), 3);
}

/// conc#88: the error cancels, the task that runs waits for the producer, and the
/// producer waits for the slot.
#[tokio::test]
async fn limit_and_cancel_on_error_deadlock_with_a_caller_who_waits() {
    let group = Group::<&str>::new().limit(2).backlog(0);
    let (feed, mut fed) = mpsc::channel::<u32>(1);
    let (fail, failed) = oneshot::channel::<()>();
    group.spawn(async move {
        // Ends when the producer does.
        while fed.recv().await.is_some() {}
        Ok(())
    });
    group.spawn(async move {
        failed.await.unwrap();
        Err("broken")
    });
    let handle = group.handle();
    let producer = tokio::spawn(async move {
        let _feed = feed;
        match handle.spawn_wait(async { Ok(()) }).await {
            Err(SpawnError::Cancelled(_, Reason::Failed)) => handle.with_cause(ToString::to_string),
            other => panic!("{other:?}"),
        }
    });
    in_time(async {
        while group.stats().waiting == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    fail.send(()).unwrap();
    assert_eq!(in_time(producer).await.unwrap().as_deref(), Some("broken"));
    assert_eq!(in_time(group.wait()).await, Err("broken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_error_is_lost_when_others_come_at_once() {
    for round in 0..200 {
        let group = Group::<usize>::new().limit(if round % 2 == 0 { 4 } else { usize::MAX });
        let together = Arc::new(Barrier::new(4));
        for n in 0..4 {
            let together = Arc::clone(&together);
            group.spawn(async move {
                together.wait().await;
                Err(n)
            });
        }
        group.cancelled().await;
        let cause = group.with_cause(|cause| match cause {
            Cause::Error(n) => *n,
            other => panic!("{other:?}"),
        });
        assert_eq!(
            in_time(group.wait()).await.err(),
            cause,
            "the cause is what wait returns"
        );
    }
}

/// Who stores the error by `try_lock`, so as not to wait, loses it if somebody reads
/// meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_error_is_lost_by_a_try_lock() {
    for limit in [2, usize::MAX] {
        let group = Group::<&str>::new().limit(limit);
        let (started, has_started) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let (fails, is_failing) = channel();
        group.spawn(async move {
            started.send(()).unwrap();
            gone.await.unwrap();
            fails.send(()).unwrap();
            Err("real")
        });
        has_started.await.unwrap();
        group.cancel();
        let handle = group.handle();
        let (reads, is_reading) = oneshot::channel();
        let reader = std::thread::spawn(move || {
            handle.with_cause(|cause| {
                reads.send(()).unwrap();
                is_failing.recv().unwrap();
                // The task waits, or its error is lost.
                (0..1000).for_each(|_| std::thread::yield_now());
                matches!(cause, Cause::Cancelled)
            })
        });
        is_reading.await.unwrap();
        go.send(()).unwrap();
        assert_eq!(in_time(group.wait()).await, Err("real"));
        assert_eq!(reader.join().unwrap(), Some(true));
    }
}

#[tokio::test]
async fn an_early_return_detaches_the_siblings() {
    async fn returns_early(alive: &Arc<AtomicUsize>) -> Result<(), &'static str> {
        let group = Group::<&str>::new().grace(Duration::ZERO);
        for _ in 0..3 {
            let held = Alive::new(alive);
            group.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(())
            });
        }
        tokio::task::yield_now().await;
        Err("before wait")?;
        group.wait().await
    }

    let alive = Arc::new(AtomicUsize::new(0));
    assert_eq!(returns_early(&alive).await, Err("before wait"));
    while alive.load(SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_taken_inside_the_task_holds_nobody_back() {
    const LIMIT: usize = 2;
    const BACKLOG: usize = 3;
    let alive = Arc::new(AtomicUsize::new(0));
    let group = Group::<()>::new().limit(LIMIT).backlog(BACKLOG);
    for _ in 0..1000 {
        let held = Alive::new(&alive);
        // Those in the group, and the one for which there is no room yet. A task
        // ends, and frees its place, before it is dropped: one more a runner.
        assert!(alive.load(SeqCst) <= LIMIT + BACKLOG + 1 + LIMIT);
        let task = async move {
            drop(held);
            Ok(())
        };
        in_time(group.spawn_wait(task)).await.unwrap();
    }
    in_time(group.wait()).await.unwrap();
}

/// As futures in a set are, of which the owner polls none while it is busy.
#[tokio::test]
async fn what_is_not_polled_starves() {
    let (done, mut is_done) = mpsc::channel(2);
    for limit in [1, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        let done = done.clone();
        group.spawn(async move {
            tokio::task::yield_now().await;
            done.send(()).await.map_err(|_| ())
        });
        // Nobody polls `wait`.
        in_time(is_done.recv()).await.unwrap();
        in_time(group.wait()).await.unwrap();
    }
}

#[cfg(feature = "flow")]
#[tokio::test]
async fn a_node_that_waits_starves_with_the_run_that_is_not_polled() {
    let (release, released) = oneshot::channel::<()>();
    let (done, is_done) = oneshot::channel();
    let (mut released, mut done) = (Some(released), Some(done));
    let mut flow = errgroup::flow::Flow::<()>::new();
    let waits = flow.node("waits", (), move |()| {
        let released = released.take().unwrap();
        async move { released.await.map_err(|_| ()) }
    });
    flow.node("then", waits, move |_| {
        let done = done.take().unwrap();
        async move { done.send(()) }
    });
    let mut run = Box::pin(flow.run());
    assert!(poll_once(&mut run).await.is_pending());
    // Nobody polls `run` from here on.
    release.send(()).unwrap();
    in_time(is_done).await.unwrap();
    assert!(in_time(run).await.is_ok());
}
