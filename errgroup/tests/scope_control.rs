//! What cancels a scope, what its cancel does, and its children, where it differs from a
//! group: all of it may borrow, and is over when the scope returns.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use errgroup::{Group, Reason, WaitError, scope};

#[test]
fn what_follows_the_end_is_over_when_the_scope_returns_and_may_borrow() {
    let told = AtomicUsize::new(0);
    let result = scope(|group| {
        let inner = group.clone();
        let told = &told;
        group.on_cancel(move || {
            // Which has ended by now.
            inner.on_cancel(|| {
                told.fetch_add(1, SeqCst);
            });
            told.fetch_add(1, SeqCst);
        });
        group.spawn(|| Ok::<(), ()>(()));
        Ok(())
    });
    assert_eq!((result, told.into_inner()), (Ok(()), 2));
}

#[test]
fn a_panic_of_what_follows_the_cancel_or_the_end_is_one_of_the_scope() {
    for cancels in [false, true] {
        let mut parent_saw = None;
        let ended = scope(|parent| {
            let ended = parent.try_child(|child| {
                child.escalate_to(parent);
                child.on_cancel(|| panic!("cannot tell them"));
                if cancels {
                    child.cancel();
                }
                Ok::<(), &str>(())
            });
            parent_saw = parent.reason();
            match ended {
                Err(WaitError::Panicked(panic)) => Ok(panic.message().map(ToOwned::to_owned)),
                other => panic!("{other:?}"),
            }
        });
        let ended: Result<_, ()> = ended;
        assert_eq!(ended.unwrap().as_deref(), Some("cannot tell them"));
        assert_eq!(parent_saw, Some(Reason::Cancelled), "it has escalated");
    }
    let as_error = scope(|group| {
        group.panics_as_errors(|panic| panic.to_string());
        group.on_cancel(|| panic!("cannot tell them"));
        Ok(())
    });
    assert_eq!(
        as_error,
        Err("a task panicked: cannot tell them".to_owned())
    );
}

#[test]
fn a_scope_is_cancelled_with_a_group_and_a_group_with_a_scope() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (above, below) = (Group::<()>::new(), Group::<()>::new());
    let (above_handle, below_handle) = (above.handle(), below.handle());
    let result = scope(|group| {
        group.cancel_when(above_handle.cancelled());
        group.on_cancel(|| below_handle.cancel());
        above.cancel();
        group.wait_cancelled();
        Ok::<(), ()>(())
    });
    assert_eq!(result, Ok(()));
    assert!(below.is_cancelled());
}

#[test]
fn an_error_of_a_childs_body_escalates() {
    let result = scope(|parent| {
        let ended: Result<(), &str> = parent.child(|child| {
            child.escalate_to(parent);
            Err("body")
        });
        assert_eq!(ended, Err("body"));
        assert!(parent.is_cancelled());
        Ok::<(), ()>(())
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn a_scope_that_has_failed_before_escalates_at_once() {
    let result = scope(|parent| {
        let ended: Result<(), &str> = parent.child(|child| {
            child.spawn(|| Err("broken"));
            child.wait_cancelled();
            child.escalate_to(parent);
            assert!(parent.is_cancelled());
            Ok(())
        });
        assert_eq!(ended, Err("broken"));
        Ok::<(), ()>(())
    });
    assert_eq!(result, Ok(()));
}

#[cfg(feature = "tokio-util")]
#[test]
fn a_token_cancels_a_scope_and_a_scope_cancels_a_token() {
    let shutdown = tokio_util::sync::CancellationToken::new();
    let mut told = None;
    let result = scope(|group| {
        group.cancel_with(&shutdown);
        told = Some(group.token());
        shutdown.cancel();
        group.wait_cancelled();
        Ok::<(), ()>(())
    });
    assert_eq!(result, Ok(()));
    assert!(told.unwrap().is_cancelled());
}
