//! A runtime that goes before the group does.

use std::future::pending;
use std::panic::AssertUnwindSafe;

use errgroup::{Cause, Group, Reason, WaitError};

/// A group of which a runtime has dropped two tasks before they were done.
fn aborted(limit: usize) -> Group<()> {
    let group = Group::<()>::new().limit(limit);
    let dead = current_thread();
    dead.block_on(async {
        group.spawn(pending());
        group.spawn(pending());
        tokio::task::yield_now().await;
    });
    drop(dead);
    assert_eq!(
        group.with_cause(|cause| matches!(cause, Cause::Aborted)),
        Some(true)
    );
    group
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn a_task_dropped_by_the_runtime_does_not_hang_wait_and_is_not_taken_for_done() {
    for limit in [1, usize::MAX] {
        let group = aborted(limit);
        let handle = group.handle();
        let ended = current_thread().block_on(group.try_wait());
        assert!(matches!(ended, Err(WaitError::Aborted)), "{ended:?}");
        assert_eq!(handle.len(), 0);
        assert_eq!(handle.reason(), Some(Reason::Aborted));

        let group = aborted(limit);
        let waited =
            std::panic::catch_unwind(AssertUnwindSafe(|| current_thread().block_on(group.wait())));
        assert!(waited.is_err());
    }
}

/// A group whose task is done, and whose runner still looks for the next one, in a runtime
/// that goes only with what this returns.
fn with_idle_runner() -> (Group<()>, tokio::runtime::Runtime) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // Who waits here comes between two turns of the runner.
    let runtime = builder.event_interval(1).build().unwrap();
    let group = Group::<()>::new();
    runtime.block_on(async {
        group.spawn(async { Ok(()) });
        while !group.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    (group, runtime)
}

#[test]
fn tasks_that_were_done_before_the_runtime_went_are_done() {
    let (group, gone) = with_idle_runner();
    drop(gone);
    assert_eq!(group.reason(), None);
    let ended = current_thread().block_on(async {
        group.spawn(async { Ok(()) });
        group.try_wait().await
    });
    assert!(ended.is_ok(), "{ended:?}");
}

#[test]
fn a_task_whose_runner_the_runtime_has_dropped_is_not_waited_for() {
    let (group, gone) = with_idle_runner();
    let other = current_thread();
    // No runner is started for it, as there is one.
    other.block_on(async { group.spawn(async { Ok(()) }) });
    drop(gone);
    let ended = other.block_on(group.try_wait());
    assert!(matches!(ended, Err(WaitError::Aborted)), "{ended:?}");
}
