//! Panics whose place is recorded: the hook is the whole process's, so this has a
//! process of its own.

use errgroup::{Cause, Gather, Group, Outcome, record_panics, scope};

/// The line on which a task panics, and what its panic says of it.
fn said(panic: &errgroup::Panic) -> (bool, bool) {
    let here = panic
        .location()
        .is_some_and(|at| at.contains("tests/record.rs:"));
    let stack = panic.backtrace().map(ToString::to_string);
    (
        here,
        stack.is_some_and(|stack| stack.contains("breaks_down")),
    )
}

#[inline(never)]
fn breaks_down() -> Result<(), String> {
    panic!("broken")
}

#[tokio::test]
async fn a_panic_knows_its_place_and_its_stack_however_it_was_spawned() {
    record_panics();
    record_panics();

    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        let group = group.panics_as_errors(|panic| format!("{:?}", said(&panic)));
        group.spawn(async { breaks_down() });
        assert_eq!(group.wait().await, Err("(true, true)".into()));
    }

    let group = Group::new().panics_as_errors(|panic| format!("{:?}", said(&panic)));
    group.spawn_blocking(breaks_down);
    assert_eq!(group.wait().await, Err("(true, true)".into()));

    let gather = Gather::new();
    gather.spawn(async { breaks_down() });
    match &gather.wait().await.reports()[0].outcome {
        Outcome::Panicked(panic) => assert_eq!(said(panic), (true, true)),
        other => panic!("{other:?}"),
    }

    let done: Result<(), String> = scope(|scope| {
        scope.panics_as_errors(|panic| format!("{:?}", said(&panic)));
        scope.spawn(breaks_down);
        Ok(())
    });
    assert_eq!(done, Err("(true, true)".into()));

    // One that the task caught by itself is not taken for the one it threw.
    let group = Group::new().panics_as_errors(|panic| format!("{:?}", panic.location()));
    let handle = group.handle();
    group.spawn(async move {
        let caught = std::panic::catch_unwind(breaks_down);
        assert!(caught.is_err());
        tokio::task::yield_now().await;
        handle.spawn(async { Ok(()) });
        std::panic::resume_unwind(Box::new("quiet"))
    });
    assert_eq!(group.wait().await, Err("None".into()));

    // Nor in the same poll.
    let group = Group::new().panics_as_errors(|panic| format!("{:?}", panic.location()));
    group.spawn(async move {
        let caught = std::panic::catch_unwind(breaks_down);
        assert!(caught.is_err());
        std::panic::resume_unwind(Box::new("quiet"))
    });
    assert_eq!(group.wait().await, Err("None".into()));

    // But one that it throws again is the same.
    let group = Group::new().panics_as_errors(|panic| format!("{:?}", said(&panic)));
    group.spawn(async move {
        let caught = std::panic::catch_unwind(breaks_down);
        std::panic::resume_unwind(caught.unwrap_err())
    });
    assert_eq!(group.wait().await, Err("(true, true)".into()));

    let siblings = Group::<String>::new();
    let handle = siblings.handle();
    siblings.spawn(async { breaks_down() });
    handle.cancelled().await;
    let read = |cause: &Cause<String>| matches!(cause, Cause::Panicked(panic) if said(panic) == (true, true));
    assert_eq!(handle.with_cause(read), Some(true));
    drop(siblings);
}
