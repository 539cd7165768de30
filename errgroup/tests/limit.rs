//! The limit: how many run at once, and what a change of it does.

mod poll_once;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use errgroup::Group;
use poll_once::poll_once;
use tokio::sync::oneshot;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_limit_run_at_once() {
    for limit in [1, 3] {
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let group = Group::<()>::new().limit(limit);
        // As many as the limit do run at once, or this would not end.
        let barrier = Arc::new(tokio::sync::Barrier::new(limit));
        for _ in 0..limit {
            let barrier = Arc::clone(&barrier);
            group.spawn(async move {
                barrier.wait().await;
                Ok(())
            });
        }
        for i in 0..300 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let task = async move {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                for _ in 0..i % 4 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, SeqCst);
                Ok(())
            };
            if i % 2 == 0 {
                group.spawn(task);
            } else {
                group.spawn_wait(task).await.unwrap();
            }
        }
        group.wait().await.unwrap();
        assert!(most.load(SeqCst) <= limit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_group_runs_on_no_more_tokio_tasks_than_its_limit() {
    for limit in [1, 3] {
        let group = Group::<()>::new().limit(limit);
        let runners = Arc::new(Mutex::new(HashSet::new()));
        // The first ones hold their runners until all are spawned, so that none is
        // idle, and goes, before the end.
        let (spawned, _) = tokio::sync::broadcast::channel::<()>(1);
        for n in 0..500 {
            let (runners, mut all) = (Arc::clone(&runners), spawned.subscribe());
            group.spawn(async move {
                runners.lock().unwrap().insert(tokio::task::id());
                if n < limit {
                    all.recv().await.map_err(|_| ())?;
                }
                if n % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                Ok(())
            });
        }
        spawned.send(()).unwrap();
        group.wait().await.unwrap();
        assert!(runners.lock().unwrap().len() <= limit);
    }
}

/// The runtime keeps what a task spawns last for the thread of that task, and no
/// other thread can take it from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_runner_that_is_started_does_not_wait_for_the_burst_of_its_starter() {
    let group = Group::<RecvTimeoutError>::new().limit(3);
    let (gate_a, at_gate_a) = channel::<()>();
    let (gate_c, at_gate_c) = channel::<()>();
    let long = Duration::from_secs(60);
    // Has a runner, and a thread.
    group.spawn(async move { at_gate_a.recv_timeout(long) });
    // Another one is started by the runner of this, for the two that are left.
    group.spawn(async { Ok(()) });
    group.spawn(async move { at_gate_c.recv_timeout(long) });
    group.spawn(async move {
        gate_a.send(()).unwrap();
        gate_c.send(()).unwrap();
        Ok(())
    });
    assert_eq!(group.wait().await, Ok(()));
}

#[tokio::test]
async fn limit_0_admits_nothing_until_it_is_raised() {
    let group = Group::<()>::new().limit(0);
    assert!(group.try_spawn(async { Ok(()) }).unwrap_err().is_full());

    let (ran, has_run) = oneshot::channel();
    group.spawn(async move {
        ran.send(()).unwrap();
        Ok(())
    });
    let mut spawn_wait = Box::pin(group.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut spawn_wait).await.is_pending());
    let stats = group.stats();
    assert_eq!((stats.running, stats.pending, stats.waiting), (0, 1, 1));

    group.set_limit(1);
    has_run.await.unwrap();
    spawn_wait.await.unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn wait_on_a_paused_group_is_ended_by_the_cancel() {
    let group = Group::<()>::new().limit(0);
    let handle = group.handle();
    group.spawn(async { Err(()) });
    let mut wait = Box::pin(group.wait());
    assert!(poll_once(&mut wait).await.is_pending());
    handle.cancel();
    assert_eq!(wait.await, Ok(()));
    assert_eq!(handle.stats().not_started, 1);
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_waiting_tasks_start() {
    let group = Group::<()>::new().limit(1);
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    for _ in 0..3 {
        let barrier = Arc::clone(&barrier);
        group.spawn(async move {
            barrier.wait().await;
            Ok(())
        });
    }
    assert_eq!(group.stats().pending, 2);
    group.set_limit(3);
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_limit_that_is_taken_away_lets_everything_start() {
    let group = Group::<()>::new().limit(1);
    let barrier = Arc::new(tokio::sync::Barrier::new(11));
    for _ in 0..10 {
        let barrier = Arc::clone(&barrier);
        group.spawn(async move {
            barrier.wait().await;
            Ok(())
        });
    }
    group.set_limit(usize::MAX);
    group.spawn(async move {
        barrier.wait().await;
        Ok(())
    });
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_limit_set_while_tasks_run_counts_them() {
    let group = Group::<()>::new();
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    group.set_limit(1);
    assert!(group.try_spawn(async { Ok(()) }).unwrap_err().is_full());
    let (ran, has_run) = oneshot::channel();
    group.spawn(async move {
        ran.send(()).unwrap();
        Ok(())
    });
    assert_eq!(group.stats().pending, 1);
    // The end of a task that was spawned without a limit makes room for the next.
    release.send(()).unwrap();
    has_run.await.unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_lowered_limit_closes_slots_as_tasks_end() {
    let group = Group::<()>::new().limit(2);
    let (release_a, a) = oneshot::channel::<()>();
    let (release_b, b) = oneshot::channel::<()>();
    for released in [a, b] {
        group.spawn(async move {
            released.await.unwrap();
            Ok(())
        });
    }
    let (ran, mut has_run) = oneshot::channel();
    group.spawn(async move {
        ran.send(()).unwrap();
        Ok(())
    });
    group.set_limit(1);
    release_a.send(()).unwrap();
    while group.stats().running > 1 {
        tokio::task::yield_now().await;
    }
    assert!(has_run.try_recv().is_err(), "the slot is closed");
    release_b.send(()).unwrap();
    has_run.await.unwrap();
    group.wait().await.unwrap();
}

#[test]
fn a_slot_freed_outside_of_a_runtime_still_starts_a_task() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let group = Group::<()>::new().limit(0);
    let (ran, has_run) = oneshot::channel();
    runtime.block_on(async {
        group.spawn(async move {
            ran.send(()).unwrap();
            Ok(())
        });
    });
    group.set_limit(1);
    runtime.block_on(has_run).unwrap();
    runtime.block_on(group.wait()).unwrap();
}
