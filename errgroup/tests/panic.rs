//! Panics: kept, re-raised at `wait`, never in the way of the count.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use errgroup::{Cause, Group, WaitError};
use tokio::sync::oneshot;

/// What `wait` throws.
fn thrown_by_wait(group: Group<&'static str>) -> Box<dyn std::any::Any + Send> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(group.wait())))
            .expect_err("wait did not panic")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_raised_again_at_wait_with_its_payload() {
    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        group.spawn(async { panic_any(42_u64) });
        let payload = thrown_by_wait(group);
        assert_eq!(payload.downcast_ref::<u64>(), Some(&42));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn siblings_see_the_panic_as_the_cause() {
    let group = Group::new();
    let handle = group.handle();
    let (started, has_started) = oneshot::channel();
    let (seen, has_seen) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        let text = handle.with_cause(ToString::to_string);
        let payload = handle.with_cause(|cause| match cause {
            Cause::Panicked(panic) => panic.payload().is::<String>(),
            _ => false,
        });
        seen.send((text, payload)).unwrap();
        Ok(())
    });
    has_started.await.unwrap();
    group.spawn(async { panic!("boom {}", std::hint::black_box(1)) });
    let (text, payload) = has_seen.await.unwrap();
    assert_eq!(text.as_deref(), Some("a task panicked: boom 1"));
    assert_eq!(payload, Some(true));
    thrown_by_wait(group);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_has_precedence_over_an_error() {
    let group = Group::new();
    let handle = group.handle();
    let (started, has_started) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        panic!("late")
    });
    has_started.await.unwrap();
    group.spawn(async { Err("early") });
    assert_eq!(thrown_by_wait(group).downcast_ref(), Some(&"late"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_no_slot() {
    // The runner of the panicking task drops the others and is gone.
    let group = Group::new().limit(1);
    let handle = group.handle();
    group.spawn(async { panic!("boom") });
    group.spawn(async { Ok(()) });
    thrown_by_wait(group);
    assert_eq!(handle.len(), 0);
}

struct PanicsInDrop;
impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_drop_of_a_task_is_a_panic_of_the_task() {
    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        let bomb = PanicsInDrop;
        // The bomb is captured, and dropped with the finished future.
        group.spawn(std::future::poll_fn(move |_| {
            let _ = &bomb;
            std::task::Poll::Ready(Ok(()))
        }));
        assert_eq!(thrown_by_wait(group).downcast_ref(), Some(&"in drop"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_drop_of_a_waiting_task_is_kept_too() {
    let group = Group::new().limit(0);
    for _ in 0..2 {
        let bomb = PanicsInDrop;
        group.spawn(async move {
            let _bomb = bomb;
            Ok(())
        });
    }
    group.cancel();
    assert_eq!(group.stats().not_started, 2);
    assert_eq!(thrown_by_wait(group).downcast_ref(), Some(&"in drop"));
}

#[tokio::test]
async fn try_wait_returns_the_panic() {
    let group = Group::<&str>::new();
    group.spawn(async { panic!("boom") });
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("boom")),
        other => panic!("{other:?}"),
    }
}

/// An error that asks its group something as it is dropped.
struct Asks(errgroup::Handle<Asks>);

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.cancel();
        self.0.with_cause(|_| ());
    }
}

#[tokio::test]
async fn an_error_that_a_panic_outranks_may_use_its_group_as_it_is_dropped() {
    let group = Group::<Asks>::new();
    let handle = group.handle();
    let (failed, has_failed) = oneshot::channel::<()>();
    group.spawn(async move {
        let _ = has_failed.await;
        panic!("later")
    });
    group.spawn(async move {
        failed.send(()).unwrap();
        Err(Asks(handle))
    });
    assert!(matches!(
        group.try_wait().await,
        Err(WaitError::Panicked(_))
    ));
}
