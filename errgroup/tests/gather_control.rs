//! What cancels a gather from outside, and whom its failure concerns.

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use errgroup::{Gather, Group, Outcome, Policy, Reason, scope};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

type Result<T> = std::result::Result<T, &'static str>;

/// Whether its only task, which runs, is cancelled.
async fn is_cancelled(gather: Gather<(), &'static str>) -> bool {
    // Not for ever, should nothing cancel it.
    let gathered = timeout(Duration::from_secs(60), gather.wait()).await;
    let gathered = gathered.expect("nobody cancelled it");
    matches!(gathered.reports(), [one] if matches!(one.outcome, Outcome::Cancelled))
}

#[tokio::test(start_paused = true)]
async fn an_event_cancels_and_its_panic_goes_on_at_wait() {
    let (stop, stopped) = oneshot::channel::<()>();
    let gather = Gather::<(), &str>::new().cancel_when(stopped);
    let (runs, running) = oneshot::channel();
    gather.spawn(async {
        runs.send(()).unwrap();
        pending().await
    });
    running.await.unwrap();
    assert!(!gather.handle().group().is_cancelled());
    stop.send(()).unwrap();
    assert!(is_cancelled(gather).await);

    let gather = Gather::<(), &str>::new().cancel_when(async { panic!("as intended") });
    let waited = tokio::spawn(async {
        gather.spawn(pending());
        timeout(Duration::from_secs(60), gather.wait()).await
    });
    assert!(waited.await.is_err_and(|ended| ended.is_panic()));
}

#[cfg(feature = "tokio-util")]
#[tokio::test(start_paused = true)]
async fn a_token_cancels() {
    let token = tokio_util::sync::CancellationToken::new();
    let gather = Gather::<(), &str>::new().cancel_with(&token);
    gather.spawn(pending());
    tokio::task::yield_now().await;
    token.cancel();
    assert!(is_cancelled(gather).await);
}

#[tokio::test]
async fn a_deadline_that_has_been_lets_nothing_start() {
    let gather = Gather::<(), &str>::new().deadline(Instant::now());
    assert!(gather.handle().group().is_cancelled());
    gather.spawn(async { panic!("started") });
    let gathered = gather.wait().await;
    assert!(matches!(gathered.reports()[0].outcome, Outcome::NotStarted));
}

#[tokio::test]
async fn a_backlog_of_none_lets_in_as_many_as_run() {
    let gather = Gather::<u32, &str>::new().limit(1).backlog(0);
    let (release, released) = oneshot::channel::<()>();
    gather.spawn(async { released.await.map_err(|_| "dropped").map(|()| 0) });
    let handle = gather.handle();
    let caller = tokio::spawn(async move { handle.spawn_wait(async { Ok(1) }).await.unwrap() });
    while gather.handle().group().stats().waiting == 0 {
        assert!(!caller.is_finished(), "there was room");
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    assert_eq!(caller.await.unwrap(), 1);
    assert_eq!(gather.wait().await.into_values(), Ok(vec![0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_child_is_cancelled_with_its_parent() {
    let parent = Group::<()>::new();
    let child = parent.handle().child_gather::<(), &str>();
    child.spawn(pending());
    tokio::task::yield_now().await;
    parent.cancel();
    assert!(is_cancelled(child).await);

    let late = parent.handle().child_gather::<(), &str>();
    assert!(late.handle().group().is_cancelled());
}

#[tokio::test]
async fn a_failure_of_a_child_stays_there_or_goes_on_as_the_policy_has_it() {
    let fails = async |policy, escalates| {
        let parent = Group::<()>::new();
        let mut child = parent.handle().child_gather().policy(policy);
        if escalates {
            child = child.escalate_to(&parent.handle());
        }
        child.spawn(async { Err::<(), _>("broken") });
        assert_eq!(child.wait().await.failed(), 1);
        parent.reason()
    };
    assert_eq!(fails(Policy::FirstError, false).await, None);
    let reason = fails(Policy::FirstError, true).await;
    assert_eq!(reason, Some(Reason::Cancelled));
    assert_eq!(fails(Policy::All, true).await, None);
}

#[test]
fn a_child_of_a_scope_is_cancelled_with_it_and_its_failure_stays_or_goes_on() {
    let ended = scope(|parent| {
        let (runs, running) = mpsc::channel();
        let outer = parent.clone();
        parent.spawn(move || {
            let gathered = outer.child_gather::<u32, (), _>(Policy::All, |gather| {
                let inside = gather.scope().clone();
                gather.spawn(move || {
                    runs.send(()).unwrap();
                    inside.wait_cancelled();
                    Ok(1)
                });
            });
            assert_eq!(gathered.into_values(), Ok(vec![1]));
            Ok::<(), ()>(())
        });
        running.recv().unwrap();
        parent.cancel();
        Ok(())
    });
    assert_eq!(ended, Ok(()));

    let fails = |escalates| -> Result<bool> {
        scope(|parent| {
            let gathered = parent.child_gather(Policy::FirstError, |gather| {
                if escalates {
                    gather.scope().escalate_to(parent);
                }
                gather.spawn(|| Err::<(), _>("broken"));
            });
            assert_eq!(gathered.failed(), 1);
            Ok(parent.is_cancelled())
        })
    };
    assert_eq!((fails(false), fails(true)), (Ok(false), Ok(true)));
}
