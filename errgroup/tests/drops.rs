//! Drops that panic: of errors that nobody reads, and of tasks. No slot, no sibling and no
//! outcome is lost by them, and the panic is told.

use std::any::Any;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};

use errgroup::{Gather, Group, Outcome, Policy, Scope, WaitError, try_scope};
use tokio::sync::oneshot;

/// An error, or what a panic throws, that may panic as it is dropped.
#[derive(Debug)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "the drop");
    }
}

const fn harmless() -> Bomb {
    Bomb(false)
}

const fn bomb() -> Bomb {
    Bomb(true)
}

#[track_caller]
fn tells_of_the_drop(ended: Result<(), WaitError<Bomb>>) {
    match ended {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("the drop")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_group_tells_of_the_drop_of_an_error_that_is_ignored() {
    let group = Group::new().limit(1).ignore_errors();
    group.spawn(async { Err(bomb()) });
    tells_of_the_drop(group.try_wait().await);
}

#[tokio::test]
async fn a_group_tells_of_the_drop_of_an_error_that_is_not_the_first() {
    let group = Group::new().limit(1).go_on();
    group.spawn(async { Err(harmless()) });
    group.spawn(async { Err(bomb()) });
    tells_of_the_drop(group.try_wait().await);
}

#[tokio::test]
async fn a_group_tells_of_the_drop_of_an_error_after_the_cancel() {
    let group = Group::new();
    let handle = group.handle();
    let (started, is_started) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        Err(bomb())
    });
    is_started.await.unwrap();
    group.spawn(async { Err(harmless()) });
    tells_of_the_drop(group.try_wait().await);
}

/// The error is the cause, and then a panic has precedence.
#[tokio::test]
async fn a_group_ends_though_the_error_that_a_panic_hides_panics_in_its_drop() {
    let group = Group::new();
    let handle = group.handle();
    let (started, is_started) = oneshot::channel();
    group.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        panic!("first")
    });
    is_started.await.unwrap();
    group.spawn(async { Err(bomb()) });
    match group.try_wait().await {
        Err(WaitError::Panicked(panic)) => assert_eq!(panic.message(), Some("first")),
        other => panic!("{other:?}"),
    }
}

/// Runs a scope with one thread at most.
fn narrow<'env>(
    body: impl for<'scope> FnOnce(&Scope<'scope, 'env, Bomb>),
) -> Result<(), WaitError<Bomb>> {
    try_scope(|scope| {
        scope.set_limit(1);
        body(scope);
        Ok(())
    })
}

#[test]
fn a_scope_tells_of_the_drop_of_an_error_that_is_ignored() {
    tells_of_the_drop(narrow(|scope| {
        scope.ignore_errors();
        scope.spawn(|| Err(bomb()));
        scope.spawn(|| Ok(()));
    }));
}

#[test]
fn a_scope_tells_of_the_drop_of_an_error_that_is_not_the_first() {
    tells_of_the_drop(narrow(|scope| {
        scope.go_on();
        scope.spawn(|| Err(harmless()));
        scope.spawn(|| Err(bomb()));
        scope.spawn(|| Ok(()));
    }));
}

#[test]
fn a_scope_tells_of_the_drop_of_an_error_after_the_cancel() {
    let both = Barrier::new(2);
    tells_of_the_drop(try_scope(|scope| {
        let sibling = scope.clone();
        scope.spawn(|| {
            both.wait();
            Err(harmless())
        });
        scope.spawn(|| {
            both.wait();
            let sibling = sibling;
            sibling.wait_cancelled();
            Err(bomb())
        });
        Ok(())
    }));
}

/// A payload that throws another one of its kind, for ever, as it is dropped.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        panic_any(Endless);
    }
}

#[test]
fn a_scope_ends_though_what_a_second_panic_throws_panics_in_its_drop() {
    let both = Barrier::new(2);
    let task = || {
        both.wait();
        panic_any(Endless)
    };
    let ended = try_scope::<(), (), _>(|scope| {
        scope.spawn(task);
        scope.spawn(task);
        Ok(())
    });
    let Err(WaitError::Panicked(panic)) = ended else {
        panic!("the panic is lost");
    };
    assert!(panic.payload().is::<Endless>());
    std::mem::forget::<Box<dyn Any>>(Box::new(panic));
}

/// Counts what a gather's tasks drop, and panics.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        panic!("the drop");
    }
}

/// Whether the task is done, is dropped after the cancel, or never starts.
#[tokio::test]
async fn a_gather_keeps_every_outcome_though_a_task_panics_in_its_drop() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let gather = Gather::<u32, ()>::new().policy(Policy::All).limit(2);
    let guard = || Guard(Arc::clone(&dropped));
    // Held beside the future's own body, so that it goes with the task and not before.
    let held = |guard: Guard, value| {
        let mut value = Some(value);
        std::future::poll_fn(move |_| {
            let _held = &guard;
            match value.take() {
                Some(Some(value)) => std::task::Poll::Ready(Ok(value)),
                _ => std::task::Poll::Pending,
            }
        })
    };
    gather.spawn(async { Ok(1) });
    gather.spawn(held(guard(), Some(2)));
    let handle = gather.handle();
    let (waits, is_waiting) = oneshot::channel();
    let endless = held(guard(), None);
    gather.spawn(async move {
        waits.send(()).unwrap();
        endless.await
    });
    is_waiting.await.unwrap();
    handle.group().set_limit(1);
    gather.spawn(held(guard(), Some(4)));
    handle.group().cancel();
    let gathered = gather.wait().await;
    let outcomes: Vec<_> = gathered.reports().iter().map(|r| &r.outcome).collect();
    assert!(matches!(outcomes[0], Outcome::Done(1)), "{outcomes:?}");
    for outcome in &outcomes[1..] {
        match outcome {
            Outcome::Panicked(panic) => assert_eq!(panic.message(), Some("the drop")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((outcomes.len(), dropped.load(SeqCst)), (4, 3));
}
