//! Deadline, grace, events from outside, children, and jobs that block.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use errgroup::{Cause, Group, NoValue, Reason, WaitError};
use tokio::sync::oneshot;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_deadline_cancels_with_its_error() {
    let at = Instant::now() + Duration::from_secs(1);
    let group = Group::new().deadline(at, "too late");
    let handle = group.handle();
    group.spawn(async move {
        handle.cancelled().await;
        let late = handle.with_cause(|cause| matches!(cause, Cause::Error("too late")));
        assert_eq!(late, Some(true));
        Ok(())
    });
    assert_eq!(group.wait().await, Err("too late"));
    assert!(Instant::now() >= at);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_ends_before_its_deadline_does_not_wait_for_it() {
    let began = Instant::now();
    let group = Group::new().deadline(began + Duration::from_secs(1), "too late");
    group.spawn(async { Ok(()) });
    assert_eq!(group.wait().await, Ok(()));
    assert_eq!(Instant::now(), began);
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_a_deaf_task_is_dropped() {
    for limit in [1, usize::MAX] {
        let held = Arc::new(());
        let group = Group::<&str>::new()
            .limit(limit)
            .grace(Duration::from_secs(3));
        let (started, is_started) = oneshot::channel();
        let mine = Arc::clone(&held);
        group.spawn(async move {
            let _mine = mine;
            started.send(()).unwrap();
            pending().await
        });
        is_started.await.unwrap();
        let cancelled = Instant::now();
        group.cancel();
        assert_eq!(group.wait().await, Ok(()));
        assert_eq!(Instant::now() - cancelled, Duration::from_secs(3));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn within_the_grace_a_task_may_still_fail() {
    let group = Group::new().grace(Duration::from_secs(3));
    let handle = group.handle();
    let (started, is_started) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err("while closing")
    });
    is_started.await.unwrap();
    group.cancel();
    assert_eq!(group.wait().await, Err("while closing"));
}

#[tokio::test]
async fn an_event_cancels() {
    let (happen, event) = oneshot::channel::<()>();
    let group = Group::<()>::new().cancel_when(event);
    assert!(!group.is_cancelled());
    happen.send(()).unwrap();
    group.cancelled().await;
    assert_eq!(
        group.with_cause(|c| matches!(c, Cause::Cancelled)),
        Some(true)
    );
    group.wait().await.unwrap();
}

#[tokio::test]
async fn the_cancel_goes_on_to_whoever_asked() {
    let group = Group::new();
    let (tell, told) = oneshot::channel();
    group.handle().on_cancel(move || tell.send(()).unwrap());
    group.spawn(async { Err("broken") });
    assert_eq!(group.wait().await, Err("broken"));
    told.await.unwrap();
}

#[tokio::test]
async fn a_child_is_cancelled_with_its_parent() {
    let parent = Group::<&str>::new();
    let child: Group<u8> = parent.handle().child();
    parent.spawn(async { Err("broken") });
    assert_eq!(parent.wait().await, Err("broken"));
    child.cancelled().await;
    assert_eq!(child.wait().await, Ok(()));
}

#[tokio::test]
async fn a_childs_failure_is_contained_unless_it_escalates() {
    let parent = Group::<&str>::new();
    let child: Group<u8> = parent.handle().child();
    child.spawn(async { Err(1) });
    assert_eq!(child.wait().await, Err(1));
    assert!(!parent.is_cancelled());

    let child = parent.handle().child().escalate_to(&parent.handle());
    child.spawn(async { Err(2) });
    parent.cancelled().await;
    assert_eq!(child.wait().await, Err(2));
    assert_eq!(parent.wait().await, Ok(()));
}

#[tokio::test]
async fn a_childs_failure_has_escalated_when_its_wait_returns() {
    for limit in [1, usize::MAX] {
        let parent = Group::<&str>::new();
        let child = Group::<u8>::new()
            .limit(limit)
            .escalate_to(&parent.handle());
        child.spawn(async { Err(1) });
        assert_eq!(child.wait().await, Err(1));
        assert!(parent.is_cancelled());
    }
}

#[tokio::test]
async fn a_child_that_fails_after_a_cancel_by_hand_escalates() {
    let parent = Group::<&str>::new();
    let child = Group::<u8>::new().escalate_to(&parent.handle());
    let handle = child.handle();
    let (started, is_started) = oneshot::channel();
    child.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        Err(1)
    });
    is_started.await.unwrap();
    child.cancel();
    assert!(!parent.is_cancelled());
    assert_eq!(child.wait().await, Err(1));
    assert!(parent.is_cancelled());
}

#[tokio::test]
async fn a_child_that_has_failed_before_escalates_at_once() {
    let parent = Group::<&str>::new();
    let child = Group::<u8>::new();
    child.spawn(async { Err(1) });
    child.cancelled().await;
    let child = child.escalate_to(&parent.handle());
    assert!(parent.is_cancelled());
    assert_eq!(child.wait().await, Err(1));
}

#[tokio::test]
async fn the_child_of_a_cancelled_group_is_cancelled_from_the_start() {
    let parent = Group::<&str>::new();
    parent.cancel();
    let child = parent.handle().child::<()>();
    assert!(child.is_cancelled());
    child.spawn(async { panic!("started after the cancel") });
    child.wait().await.unwrap();
}

#[tokio::test]
async fn a_panic_of_an_event_is_one_of_the_group() {
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    let group = Group::<()>::new().cancel_when(async { panic!("no such signal") });
    group.cancelled().await;
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("no such signal")),
        other => panic!("{other:?}"),
    }

    let bomb = PanicsInDrop;
    let group = Group::<()>::new().cancel_when(async move {
        let _bomb = bomb;
    });
    group.cancelled().await;
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("in drop")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_of_what_follows_the_cancel_is_one_of_the_group() {
    let group = Group::<()>::new();
    let (acts, has_acted) = oneshot::channel::<()>();
    group.handle().on_cancel(move || {
        let _acts = acts;
        panic!("cannot tell them")
    });
    group.spawn(async move {
        // Is in the group until that has panicked.
        assert!(has_acted.await.is_err());
        tokio::task::yield_now().await;
        Ok(())
    });
    tokio::task::yield_now().await;
    group.cancel();
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("cannot tell them")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_group_that_goes_on_runs_all_and_returns_the_first_error() {
    // Go: the zero `errgroup.Group`.
    let group = Group::new().limit(1).go_on();
    let handle = group.handle();
    for n in 0..9 {
        group.spawn(async move { if n % 3 == 1 { Err(n) } else { Ok(()) } });
    }
    assert_eq!(group.wait().await, Err(1));
    let stats = handle.stats();
    assert_eq!((stats.failed, stats.not_started), (3, 0));
    assert_eq!(handle.reason(), Some(Reason::Ended));
}

#[tokio::test]
async fn errors_that_are_ignored_are_counted_and_a_panic_is_not_ignored() {
    let parent = Group::<()>::new();
    let group = Group::new()
        .limit(1)
        .ignore_errors()
        .escalate_to(&parent.handle());
    let handle = group.handle();
    for n in 0..9 {
        group.spawn(async move { if n % 3 == 1 { Err(n) } else { Ok(()) } });
    }
    let watched = group.handle();
    let none_cancels = parent.handle();
    group.spawn(async move {
        assert_eq!(watched.stats().failed, 3);
        assert!(!none_cancels.is_cancelled());
        panic!("this does")
    });
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("this does")),
        other => panic!("{other:?}"),
    }
    assert_eq!(handle.stats().failed, 4);
    assert!(parent.is_cancelled());
}

#[tokio::test]
async fn a_child_that_ends_well_or_is_cancelled_does_not_escalate() {
    let parent = Group::<&str>::new();
    let child = parent.handle().child::<()>().escalate_to(&parent.handle());
    child.spawn(async { Ok(()) });
    child.wait().await.unwrap();
    let child = parent.handle().child::<()>().escalate_to(&parent.handle());
    child.cancel();
    child.wait().await.unwrap();
    // Let the tasks that carry cancels over have their turn.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!parent.is_cancelled());
}

#[tokio::test]
async fn a_blocking_job_holds_its_slot_and_is_waited_for() {
    let group = Group::new().limit(1).grace(Duration::ZERO);
    let (started, is_started) = oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    group.spawn_blocking(move || {
        started.send(()).unwrap();
        released.recv().unwrap();
        Err("from the job")
    });
    is_started.await.unwrap();
    assert!(group.try_spawn(async { Ok(()) }).is_err());
    group.cancel();
    release.send(()).unwrap();
    assert_eq!(group.wait().await, Err("from the job"));
}

#[tokio::test]
#[should_panic(expected = "in a blocking job")]
async fn a_panic_of_a_blocking_job_goes_on_at_wait() {
    let group = Group::<()>::new();
    group.spawn_blocking(|| panic!("in a blocking job"));
    let _ = group.wait().await;
}

#[tokio::test]
async fn a_value_can_be_awaited_and_an_error_is_the_groups() {
    let group = Group::new();
    let value = group.spawn_value(async { Ok(5) });
    assert_eq!(value.await, Ok(5));
    let none = group.spawn_value(async { Err::<u8, _>("broken") });
    assert_eq!(none.await, Err(NoValue::Failed));
    let refused = group.spawn_value(async { Ok(6) });
    assert!(refused.is_finished());
    assert_eq!(refused.await, Err(NoValue::NotStarted));
    assert_eq!(group.wait().await, Err("broken"));
}

#[tokio::test]
async fn one_task_is_aborted_and_its_siblings_go_on() {
    let group = Group::<&str>::new().limit(2);
    let (held, is_dropped) = oneshot::channel::<()>();
    let (go, told) = oneshot::channel();
    let mut endless = group.spawn_value(async move {
        let _held = held;
        std::future::pending::<Result<u8, _>>().await
    });
    let sibling = group.spawn_value(async move { told.await.map_err(|_| "nobody tells") });
    let mut never = group.spawn_value(async { Ok(1) });
    never.abort();
    tokio::task::yield_now().await;
    endless.abort();
    endless.abort();
    assert!(is_dropped.await.is_err());
    assert_eq!(endless.await, Err(NoValue::Aborted));
    assert_eq!(never.await, Err(NoValue::Aborted), "before it started");
    go.send(7).unwrap();
    assert_eq!(sibling.await, Ok(7));
    assert_eq!(group.wait().await, Ok(()));
}

#[tokio::test]
async fn siblings_share_the_error() {
    let group = Group::<Arc<String>>::new();
    let handle = group.handle();
    let seen = group.spawn_value(async move {
        handle.cancelled().await;
        Ok(handle.error())
    });
    group.spawn(async { Err(Arc::new("disk full".to_owned())) });
    let seen = seen.await.unwrap().unwrap();
    let error = group.wait().await.unwrap_err();
    assert!(Arc::ptr_eq(&seen, &error));
}

#[tokio::test]
async fn a_single_task_says_when_it_is_finished_and_why_it_has_no_value() {
    let group = Group::<&str>::new().grace(Duration::ZERO);
    let (go, gone) = oneshot::channel::<()>();
    let panics = group.spawn_value(async {
        gone.await.unwrap();
        if true {
            panic!("broken");
        }
        Ok(1)
    });
    let (started, is_started) = oneshot::channel();
    let dropped = group.spawn_value(async {
        started.send(()).unwrap();
        pending::<Result<u8, _>>().await
    });
    is_started.await.unwrap();
    assert!(!panics.is_finished() && !dropped.is_finished());
    go.send(()).unwrap();
    let ended = group.try_wait().await;
    assert!(matches!(ended, Err(WaitError::Panicked(_))));
    assert!(panics.is_finished() && dropped.is_finished());
    assert_eq!(panics.await, Err(NoValue::Panicked));
    assert_eq!(dropped.await, Err(NoValue::Dropped));
}

#[tokio::test]
async fn a_panic_of_what_follows_the_end_does_not_escalate() {
    let parent = Group::<()>::new();
    let child = Group::<()>::new().escalate_to(&parent.handle());
    let (acts, has_acted) = oneshot::channel::<()>();
    child.handle().on_cancel(move || {
        let _acts = acts;
        panic!("too late")
    });
    child.wait().await.unwrap();
    // On this one thread that task is done when this one goes on.
    assert!(has_acted.await.is_err());
    assert!(!parent.is_cancelled(), "the child has ended well");
}

#[tokio::test]
async fn a_deadline_that_has_been_lets_nothing_start() {
    let group = Group::new().deadline(Instant::now(), "too late");
    let refused = group.try_spawn(async { panic!("started") }).unwrap_err();
    assert!(!refused.is_full(), "{refused:?}");
    assert_eq!(group.wait().await, Err("too late"));
}

#[tokio::test]
async fn an_event_that_has_happened_lets_nothing_start() {
    let group = Group::<()>::new().cancel_when(std::future::ready(()));
    assert_eq!(group.reason(), Some(Reason::Cancelled));
    group.spawn(async { panic!("started") });
    assert_eq!(group.wait().await, Ok(()));

    let event = async { panic!("the event") };
    let group = Group::<()>::new().cancel_when(event);
    assert!(matches!(
        group.try_wait().await,
        Err(WaitError::Panicked(panic)) if panic.message() == Some("the event")
    ));
}

/// Also outside of a runtime: no task carries it over.
#[test]
fn children_are_cancelled_when_the_cancel_of_their_parent_returns() {
    let parent = Group::<()>::new();
    let child = parent.handle().child::<&str>();
    let grandchild = child.handle().child_gather::<u32, ()>();
    parent.cancel();
    assert_eq!(child.reason(), Some(Reason::Cancelled));
    assert!(grandchild.handle().group().is_cancelled());
    assert!(parent.handle().child::<()>().is_cancelled());
}

#[tokio::test]
async fn a_child_is_cancelled_before_its_parent_s_failure_is_told() {
    let parent = Group::new();
    let child = parent.handle().child::<()>();
    let handle = child.handle();
    parent.spawn(async { Err("broken") });
    assert_eq!(parent.wait().await, Err("broken"));
    assert!(handle.is_cancelled());
}
