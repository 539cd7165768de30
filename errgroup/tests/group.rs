//! What a user of a group sees: spawning and waiting.

mod poll_once;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use errgroup::{Cause, Group, Handle, Reason, SpawnError, TrySpawnError};
use poll_once::poll_once;
use tokio::sync::{Barrier, oneshot};

#[tokio::test]
async fn an_empty_group_is_done_at_once() {
    assert_eq!(Group::<()>::new().wait().await, Ok(()));
    assert_eq!(Group::<()>::new().limit(0).wait().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_runs_once() {
    for limit in [1, 2, 64, usize::MAX] {
        let ran: Arc<Vec<AtomicUsize>> = Arc::new((0..2000).map(|_| AtomicUsize::new(0)).collect());
        let group = Group::<()>::new().limit(limit);
        for i in 0..ran.len() {
            let ran = Arc::clone(&ran);
            group.spawn(async move {
                if i % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                ran[i].fetch_add(1, SeqCst);
                Ok(())
            });
        }
        group.wait().await.unwrap();
        assert!(ran.iter().all(|n| n.load(SeqCst) == 1), "limit {limit}");
        assert_eq!(Arc::strong_count(&ran), 1, "every task is gone");
    }
}

#[tokio::test]
async fn waiting_tasks_start_in_the_order_of_spawn() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let group = Group::<()>::new().limit(1);
    for i in 0..200 {
        let order = Arc::clone(&order);
        group.spawn(async move {
            order.lock().unwrap().push(i);
            Ok(())
        });
    }
    group.wait().await.unwrap();
    assert_eq!(*order.lock().unwrap(), (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_busy_runner_lets_other_tasks_have_the_thread() {
    for limit in [1, usize::MAX] {
        let ran = Arc::new(AtomicUsize::new(0));
        let group = Group::<()>::new().limit(limit);
        for _ in 0..1000 {
            let ran = Arc::clone(&ran);
            group.spawn(async move {
                ran.fetch_add(1, SeqCst);
                Ok(())
            });
        }
        let seen = Arc::clone(&ran);
        let other = tokio::spawn(async move { seen.load(SeqCst) });
        assert!(other.await.unwrap() < 100);
        group.wait().await.unwrap();
        assert_eq!(ran.load(SeqCst), 1000);
    }
}

/// A task that spawns the next one and then waits for all of them.
fn link(group: Handle<()>, all: Arc<Barrier>, left: usize) {
    group.clone().spawn(async move {
        if left > 0 {
            link(group, Arc::clone(&all), left - 1);
        }
        all.wait().await;
        Ok(())
    });
}

async fn wait_for_each_other() {
    const TASKS: usize = 1000;
    for limit in [TASKS, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        let all = Arc::new(Barrier::new(TASKS));
        for _ in 0..TASKS {
            link(group.handle(), Arc::clone(&all), 0);
        }
        group.wait().await.unwrap();

        let group = Group::<()>::new().limit(limit);
        link(group.handle(), Arc::new(Barrier::new(TASKS)), TASKS - 1);
        group.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_task_that_waits_holds_nobody_back_on_one_thread() {
    wait_for_each_other().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_waits_holds_nobody_back_on_two_threads() {
    wait_for_each_other().await;
}

#[tokio::test]
async fn try_spawn_gives_the_task_back_when_full() {
    let group = Group::<()>::new().limit(1);
    let (release, released) = oneshot::channel::<()>();
    group
        .try_spawn(async move {
            released.await.unwrap();
            Ok(())
        })
        .unwrap();

    let refused = group.try_spawn(async { Ok(()) }).unwrap_err();
    assert!(matches!(refused, TrySpawnError::Full(_)) && refused.is_full());
    assert_eq!(refused.into_task().await, Ok(()), "the task is whole");

    release.send(()).unwrap();
    while group.stats().running > 0 {
        tokio::task::yield_now().await;
    }
    group.try_spawn(async { Ok(()) }).unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn try_spawn_gives_the_task_back_after_the_cancel() {
    for limit in [1, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        group.cancel();
        let refused = group.try_spawn(async { Ok(()) }).unwrap_err();
        assert!(
            matches!(refused, TrySpawnError::Cancelled(_, Reason::Cancelled)) && !refused.is_full()
        );
        assert_eq!(group.stats().not_started, 0, "it went back to its caller");
    }
}

#[tokio::test]
async fn spawn_wait_waits_for_a_slot() {
    let group = Group::<()>::new().limit(1).backlog(0);
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    // The task is polled on this thread, and that is over when we go on.
    tokio::task::yield_now().await;
    let mut spawn_wait = Box::pin(group.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut spawn_wait).await.is_pending());
    assert_eq!(group.stats().waiting, 1);
    release.send(()).unwrap();
    spawn_wait.await.unwrap();
    group.wait().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_told_of_room_by_a_task_that_waits_for_it() {
    const BACKLOG: usize = 16;
    let group = Group::<()>::new().limit(1).backlog(BACKLOG);
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move { released.await.map_err(|_| ()) });
    let (tell, told) = oneshot::channel::<()>();
    group.spawn(async move { told.await.map_err(|_| ()) });
    for _ in 1..BACKLOG {
        group.spawn(async { Ok(()) });
    }
    let mut caller = Box::pin(group.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut caller).await.is_pending(), "no room");
    // One place comes free: too few for a caller to be woken, but the next task
    // waits for him.
    release.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), caller)
        .await
        .expect("sleeps while there is room")
        .unwrap();
    tell.send(()).unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_caller_who_goes_away_passes_its_slot_on() {
    let group = Group::<()>::new().limit(1).backlog(0);
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    let mut first = Box::pin(group.spawn_wait(async { Ok(()) }));
    let mut second = Box::pin(group.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut first).await.is_pending());
    assert!(poll_once(&mut second).await.is_pending());
    release.send(()).unwrap();
    // The slot is handed to the first, who does not come for it.
    while group.stats().waiting > 1 {
        tokio::task::yield_now().await;
    }
    assert!(poll_once(&mut second).await.is_pending());
    drop(first);
    second.await.unwrap();
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_caller_who_stops_waiting_is_forgotten() {
    let group = Group::<()>::new().limit(0);
    let mut caller = Box::pin(group.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut caller).await.is_pending());
    drop(caller);
    assert_eq!(group.stats().waiting, 0);
    group.wait().await.unwrap();
}

#[tokio::test]
async fn spawn_wait_is_woken_by_the_end() {
    let group = Group::<u8>::new().limit(0);
    let handle = group.handle();
    let caller = tokio::spawn({
        let handle = handle.clone();
        async move {
            let refused = handle.spawn_wait(async { Err(7) }).await.unwrap_err();
            assert!(matches!(refused, SpawnError::Cancelled(_, Reason::Ended)));
            refused.into_task().await
        }
    });
    while group.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    group.wait().await.unwrap();
    assert_eq!(caller.await.unwrap(), Err(7), "the task is whole");
    assert!(handle.spawn_wait(async { Ok(()) }).await.is_err());
}

#[tokio::test]
async fn wait_waits_for_tasks_spawned_meanwhile() {
    // tokio#6547: spawn while joining.
    let group = Group::<()>::new();
    let handle = group.handle();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    group.spawn(async move {
        for _ in 0..10 {
            tokio::task::yield_now().await;
            let counted = Arc::clone(&counted);
            handle.spawn(async move {
                tokio::task::yield_now().await;
                counted.fetch_add(1, SeqCst);
                Ok(())
            });
        }
        Ok(())
    });
    group.wait().await.unwrap();
    assert_eq!(count.load(SeqCst), 10);
}

#[tokio::test]
async fn after_the_end_the_group_refuses() {
    let group = Group::<u8>::new();
    let handle = group.handle();
    group.spawn(async { Err(1) });
    assert_eq!(group.wait().await, Err(1));
    handle.cancelled().await;
    assert!(handle.is_cancelled());
    assert!(matches!(
        handle.with_cause(|cause| matches!(cause, Cause::Ended)),
        Some(true)
    ));
    handle.spawn(async { panic!("must not run") });
    assert_eq!(handle.stats().not_started, 1);
    assert!(handle.is_empty());
}

#[tokio::test]
async fn figures_say_where_tasks_are() {
    let group = Group::<()>::new().limit(1);
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    group.spawn(async { Ok(()) });
    group.spawn(async { Ok(()) });
    let stats = group.stats();
    assert_eq!((stats.running, stats.pending), (1, 2));
    assert_eq!(group.len(), 3);
    release.send(()).unwrap();
    let handle = group.handle();
    group.wait().await.unwrap();
    assert!(handle.is_empty());
}

#[test]
fn a_group_is_made_outside_of_a_runtime() {
    static_assertions();
    let group = Group::<()>::default();
    assert!(group.is_empty() && !group.is_cancelled());
}

/// Owners and handles travel, and need no `Sync` of the error.
fn static_assertions() {
    fn travels<T: Send + Sync>() {}
    travels::<Group<std::cell::Cell<u8>>>();
    travels::<errgroup::Handle<std::cell::Cell<u8>>>();
}
