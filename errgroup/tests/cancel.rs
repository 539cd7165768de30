//! The cancel: who sees it, what it stops, and why it came.

mod poll_once;

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use errgroup::{Cause, Group, Handle, Reason, SpawnError, WaitError};
use poll_once::poll_once;
use tokio::sync::oneshot;

/// A task that ends when its group is cancelled.
async fn until_cancelled<E: Send + 'static>(handle: Handle<E>) -> Result<(), E> {
    handle.cancelled().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_error_cancels_and_is_returned() {
    for limit in [2, usize::MAX] {
        let group = Group::<&str>::new().limit(limit);
        let (started, has_started) = oneshot::channel();
        let handle = group.handle();
        group.spawn(async move {
            started.send(()).unwrap();
            handle.cancelled().await;
            assert_eq!(
                handle.with_cause(ToString::to_string).as_deref(),
                Some("first")
            );
            Err("second")
        });
        has_started.await.unwrap();
        group.spawn(async { Err("first") });
        assert_eq!(group.wait().await, Err("first"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_starts_after_the_cancel() {
    // go#61611: Go's errgroup runs f after an error.
    for limit in [1, 2, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        let handle = group.handle();
        group.spawn(async { Err(()) });
        handle.cancelled().await;
        let token = Arc::new(());
        for _ in 0..10 {
            let token = Arc::clone(&token);
            group.spawn(async move {
                let _token = token;
                panic!("started after the cancel")
            });
        }
        assert_eq!(Arc::strong_count(&token), 1, "dropped at once");
        assert_eq!(group.stats().not_started, 10);
        assert_eq!(group.wait().await, Err(()));
    }
}

#[tokio::test]
async fn waiting_tasks_are_dropped_unstarted_and_counted() {
    let group = Group::<()>::new().limit(1);
    let handle = group.handle();
    let token = Arc::new(());
    group.spawn(until_cancelled(group.handle()));
    for _ in 0..5 {
        let token = Arc::clone(&token);
        group.spawn(async move {
            let _token = token;
            panic!("started after the cancel")
        });
    }
    group.cancel();
    assert_eq!(Arc::strong_count(&token), 1);
    group.wait().await.unwrap();
    // The first was handed to the runtime, but not polled before the cancel.
    assert_eq!(handle.stats().not_started, 6);
}

#[tokio::test]
async fn a_task_not_yet_polled_does_not_start_after_the_cancel() {
    for limit in [1, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        let handle = group.handle();
        group.spawn(async { panic!("started after the cancel") });
        // The runtime has one thread, and it is here.
        group.cancel();
        group.wait().await.unwrap();
        assert_eq!(handle.stats().not_started, 1);
    }
}

#[tokio::test]
async fn a_task_at_the_end_of_a_runners_turn_does_not_start_after_the_cancel() {
    // A runner lets others have the thread after some tasks: the canceller, here.
    let group = Group::<u8>::new().limit(1);
    let handle = group.handle();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..1000 {
        let (handle, ran) = (group.handle(), Arc::clone(&ran));
        group.spawn(async move {
            ran.fetch_add(1, SeqCst);
            if handle.is_cancelled() {
                Err(1)
            } else {
                Ok(())
            }
        });
    }
    let canceller = group.handle();
    tokio::spawn(async move { canceller.cancel() });
    assert_eq!(group.wait().await, Ok(()), "started after the cancel");
    let ran = ran.load(SeqCst);
    assert!(ran < 1000);
    assert_eq!(ran + handle.stats().not_started, 1000);
}

#[test]
fn a_blocking_job_that_waits_for_a_thread_does_not_start_after_the_cancel() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        for limit in [2, usize::MAX] {
            let group = Group::<&str>::new().limit(limit);
            let handle = group.handle();
            let (started, has_started) = oneshot::channel();
            let (release, released) = std::sync::mpsc::channel::<()>();
            group.spawn_blocking(move || {
                started.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            });
            let held = Arc::new(());
            let mine = Arc::clone(&held);
            group.spawn_blocking(move || {
                let _mine = mine;
                Err("started after the cancel")
            });
            has_started.await.unwrap();
            // The second has been polled by now, and is in the runtime's queue.
            tokio::task::yield_now().await;
            group.cancel();
            release.send(()).unwrap();
            assert_eq!(group.wait().await, Ok(()));
            assert_eq!(handle.stats().not_started, 1);
            assert_eq!(Arc::strong_count(&held), 1);
        }
    });
}

#[tokio::test]
async fn running_tasks_are_not_aborted_by_the_cancel() {
    for limit in [1, usize::MAX] {
        let group = Group::<()>::new().limit(limit);
        let handle = group.handle();
        let (started, has_started) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        group.spawn(async move {
            started.send(()).unwrap();
            finished.await.unwrap();
            Ok(())
        });
        has_started.await.unwrap();
        group.cancel();
        let mut wait = Box::pin(group.wait());
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert!(poll_once(&mut wait).await.is_pending());
        }
        finish.send(()).unwrap();
        wait.await.unwrap();
        assert!(handle.is_cancelled());
    }
}

#[tokio::test]
async fn a_cancel_by_hand_is_no_error() {
    let group = Group::<()>::new();
    group.spawn(until_cancelled(group.handle()));
    group.cancel();
    group.cancel();
    assert_eq!(
        group.with_cause(|cause| matches!(cause, Cause::Cancelled)),
        Some(true)
    );
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_cancel_by_hand_does_not_mask_the_real_error() {
    // go#27837.
    let group = Group::<&str>::new();
    let handle = group.handle();
    let (started, has_started) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        Err("real")
    });
    has_started.await.unwrap();
    group.cancel();
    assert_eq!(group.wait().await, Err("real"));
}

#[tokio::test]
async fn there_is_no_cause_before_the_cancel() {
    let group = Group::<()>::new();
    assert!(!group.is_cancelled());
    assert!(group.with_cause(|_| ()).is_none());
    let mut cancelled = Box::pin(group.cancelled());
    assert!(poll_once(&mut cancelled).await.is_pending());
    group.cancel();
    cancelled.await;
}

#[tokio::test]
async fn any_number_may_await_the_cancel_and_stop_awaiting_it() {
    let group = Group::<()>::new();
    let mut watchers: Vec<_> = (0..4).map(|_| Box::pin(group.cancelled())).collect();
    for watcher in &mut watchers {
        assert!(poll_once(watcher).await.is_pending());
    }
    drop(watchers.remove(1));
    drop(watchers.remove(1));
    watchers.push(Box::pin(group.cancelled()));
    assert!(poll_once(&mut watchers[2]).await.is_pending());

    let woken = Arc::new(AtomicUsize::new(0));
    let others = Group::<()>::new();
    for _ in 0..3 {
        let (handle, woken) = (group.handle(), Arc::clone(&woken));
        others.spawn(async move {
            handle.cancelled().await;
            woken.fetch_add(1, SeqCst);
            Ok(())
        });
    }
    tokio::task::yield_now().await;
    group.cancel();
    for watcher in watchers {
        watcher.await;
    }
    others.wait().await.unwrap();
    assert_eq!(woken.load(SeqCst), 3);
}

#[tokio::test]
async fn cancel_on_drop() {
    // tokio#1830.
    let group = Group::<()>::new().limit(1);
    let handle = group.handle();
    let (started, has_started) = oneshot::channel();
    let (ended, has_ended) = oneshot::channel();
    group.spawn({
        let handle = handle.clone();
        async move {
            started.send(()).unwrap();
            handle.cancelled().await;
            let cause = handle.with_cause(|cause| matches!(cause, Cause::Dropped));
            ended.send(cause).unwrap();
            Ok(())
        }
    });
    has_started.await.unwrap();
    group.spawn(async { panic!("started after the drop") });
    drop(group);
    assert_eq!(has_ended.await, Ok(Some(true)));
    assert_eq!(handle.stats().not_started, 1);
}

#[tokio::test]
async fn a_wait_that_is_dropped_cancels() {
    let group = Group::<()>::new();
    let handle = group.handle();
    group.spawn(pending());
    let mut wait = Box::pin(group.wait());
    assert!(poll_once(&mut wait).await.is_pending());
    drop(wait);
    assert!(handle.is_cancelled());
}

#[tokio::test]
async fn a_spawn_wait_is_woken_by_the_cancel_with_its_task_and_the_reason() {
    let group = Group::<&str>::new().limit(1).backlog(0);
    let (fail, failed) = oneshot::channel::<()>();
    group.spawn(async move {
        failed.await.unwrap();
        Err("disk full")
    });
    let waiter = tokio::spawn({
        let handle = group.handle();
        async move {
            let refused = handle.spawn_wait(async { Ok(()) }).await.unwrap_err();
            assert_eq!(refused.into_task().await, Ok(()), "the task is whole");
            handle.with_cause(ToString::to_string)
        }
    });
    while group.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    fail.send(()).unwrap();
    assert_eq!(waiter.await.unwrap().as_deref(), Some("disk full"));
    assert_eq!(group.wait().await, Err("disk full"));
}

#[tokio::test]
async fn a_granted_slot_that_meets_the_cancel_is_given_back() {
    let group = Group::<()>::new().limit(1).backlog(0);
    let handle = group.handle();
    let (release, released) = oneshot::channel::<()>();
    group.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    let mut caller = Box::pin(handle.spawn_wait(async { Ok(()) }));
    assert!(poll_once(&mut caller).await.is_pending());
    release.send(()).unwrap();
    while group.stats().waiting > 0 {
        tokio::task::yield_now().await;
    }
    group.cancel();
    assert!(caller.await.is_err());
    group.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_returns_only_when_every_task_is_gone() {
    /// Goes slowly, on another thread than the canceller's as it may be.
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            for _ in 0..10 {
                std::thread::yield_now();
            }
            self.0.store(true, SeqCst);
        }
    }
    for _ in 0..100 {
        let group = Group::<()>::new().limit(1);
        let handle = group.handle();
        let mut gone = Vec::new();
        group.spawn(until_cancelled(group.handle()));
        for _ in 0..3 {
            let flag = Arc::new(AtomicBool::new(false));
            let slow = Slow(Arc::clone(&flag));
            gone.push(flag);
            group.spawn(async move {
                let _slow = slow;
                Ok(())
            });
        }
        let canceller = std::thread::spawn(move || handle.cancel());
        group.wait().await.unwrap();
        assert!(gone.iter().all(|flag| flag.load(SeqCst)));
        canceller.join().unwrap();
    }
}

#[tokio::test]
async fn an_end_by_hand_is_told_from_a_good_end() {
    let group = Group::<()>::new();
    group.spawn(async { Ok(()) });
    let handle = group.handle();
    assert!(group.try_wait().await.is_ok());
    assert_eq!(handle.reason(), Some(Reason::Ended));

    let group = Group::<()>::new();
    let handle = group.handle();
    assert_eq!(handle.reason(), None);
    group.cancel();
    assert!(matches!(group.try_wait().await, Err(WaitError::Cancelled)));
    assert_eq!(handle.reason(), Some(Reason::Cancelled));
    assert!(matches!(
        handle.spawn_wait(async { Ok(()) }).await,
        Err(SpawnError::Cancelled(_, Reason::Cancelled))
    ));

    let group = Group::<&str>::new();
    let handle = group.handle();
    group.spawn(async { Err("broken") });
    let ended = group.try_wait().await;
    assert!(matches!(ended, Err(WaitError::Failed("broken"))));
    assert_eq!(handle.reason(), Some(Reason::Failed));
}

#[tokio::test]
async fn the_cause_is_read_by_all_siblings() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let group = Group::<String>::new();
    for _ in 0..5 {
        let (handle, seen) = (group.handle(), Arc::clone(&seen));
        group.spawn(async move {
            handle.cancelled().await;
            seen.lock()
                .unwrap()
                .extend(handle.with_cause(ToString::to_string));
            Ok(())
        });
    }
    tokio::task::yield_now().await;
    group.spawn(async { Err("disk full".to_string()) });
    assert_eq!(group.wait().await, Err("disk full".to_string()));
    assert_eq!(*seen.lock().unwrap(), vec!["disk full"; 5]);
}
