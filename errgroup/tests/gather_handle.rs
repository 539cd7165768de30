//! Values that are spawned from inside, and from elsewhere while they are waited for.

use std::sync::mpsc;

use errgroup::{Gather, GatherHandle, Outcome, Policy, Reason, TrySpawnError, gather_scope};
use tokio::sync::oneshot;

type Reports = Vec<(usize, Option<u32>)>;

/// A task that spawns three more, in three ways, before it ends.
async fn parent(gather: GatherHandle<u32, &'static str>) -> Result<u32, &'static str> {
    assert_eq!(gather.spawn(async { Ok(1) }), 1);
    let waited = gather.spawn_wait(async { Ok(2) }).await;
    assert_eq!(waited.unwrap(), 2);
    assert_eq!(gather.spawn_blocking(|| Ok(3)), 3);
    Ok(0)
}

fn told(reports: Vec<errgroup::TaskReport<u32, &'static str>>) -> Reports {
    let told = |report: errgroup::TaskReport<_, _>| (report.index, report.outcome.done());
    reports.into_iter().map(told).collect()
}

#[tokio::test]
async fn a_task_spawns_into_its_own_gather_and_all_come_in_order_of_spawn() {
    for limit in [1, usize::MAX] {
        let gather = Gather::new().limit(limit);
        gather.spawn(parent(gather.handle()));
        let values = gather.wait().await.into_values();
        assert_eq!(values, Ok(vec![0, 1, 2, 3]), "limit {limit}");

        let mut gather = Gather::new().limit(limit);
        gather.spawn(parent(gather.handle()));
        let mut reports = Vec::new();
        while let Some(report) = gather.next().await {
            reports.push(report);
        }
        let mut reports = told(reports);
        reports.sort_unstable();
        let all: Reports = (0..4).map(|n| (n as usize, Some(n))).collect();
        assert_eq!(reports, all, "limit {limit}");
    }
}

#[tokio::test]
async fn a_handle_spawns_while_next_and_wait_wait() {
    let mut gather = Gather::<u32, &str>::new();
    let handle = gather.handle();
    let (release, released) = oneshot::channel::<()>();
    handle.spawn_named("first", async {
        released.await.map_err(|_| "dropped").map(|()| 0)
    });
    let from_elsewhere = tokio::spawn({
        let handle = handle.clone();
        async move { handle.try_spawn(async { Ok(1) }).unwrap() }
    });
    let next = gather.next().await.unwrap();
    assert_eq!((next.index, next.outcome.done()), (1, Some(1)));
    assert_eq!(from_elsewhere.await.unwrap(), 1);

    // The one that `wait` waits for waits for one that comes meanwhile.
    tokio::spawn(async move {
        handle.spawn(async {
            release.send(()).unwrap();
            Ok(2)
        });
    });
    let reports = gather.wait().await.into_reports();
    assert_eq!(told(reports), [(0, Some(0)), (2, Some(2))]);
}

#[tokio::test]
async fn what_comes_while_wait_waits_for_the_group_alone_is_told_of() {
    let gather = Gather::<u32, &str>::new();
    let handle = gather.handle();
    // Has no value itself, so that there is no report to wait for.
    gather.handle().group().spawn(async move {
        tokio::task::yield_now().await;
        handle.spawn(async { Ok(7) });
        Ok(())
    });
    assert_eq!(gather.wait().await.into_values(), Ok(vec![7]));
}

#[tokio::test]
async fn after_the_cancel_a_handle_spawns_what_does_not_start_and_after_the_end_nothing() {
    let gather = Gather::<u32, &str>::new();
    let handle = gather.handle();
    handle.group().cancel();
    assert_eq!(handle.spawn(async { Ok(0) }), 0);
    let reports = gather.wait().await.into_reports();
    assert!(matches!(reports[..], [ref one] if matches!(one.outcome, Outcome::NotStarted)));

    let refused = handle.try_spawn(async { Ok(1) }).unwrap_err();
    assert!(matches!(
        refused,
        TrySpawnError::Cancelled(_, Reason::Cancelled)
    ));
    assert_eq!(refused.into_task().await, Ok(1), "the task is whole");
    handle.spawn(async { panic!("started after the end") });
}

#[test]
#[should_panic = "the policy of a gather is set before its first task and handle"]
fn a_policy_that_a_handle_does_not_know_is_refused() {
    let gather = Gather::<(), ()>::new();
    let _handle = gather.handle();
    let _ = gather.policy(Policy::All);
}

#[tokio::test]
#[should_panic = "the grace of a gather is set before its first task and handle"]
async fn a_grace_that_a_task_does_not_have_is_refused() {
    let mut gather = Gather::<(), ()>::new();
    gather.spawn(async { Ok(()) });
    // Though it is gone.
    gather.next().await;
    let _ = gather.grace(std::time::Duration::ZERO);
}

#[test]
fn a_task_of_a_scope_spawns_into_its_own_gather_while_next_waits() {
    let mut ended = Vec::new();
    gather_scope::<u32, (), _>(Policy::All, |gather| {
        let (release, released) = mpsc::channel::<()>();
        let inside = gather.clone();
        gather.spawn(move || {
            assert_eq!(inside.spawn(|| Ok(1)), 1);
            released.recv().unwrap();
            Ok(0)
        });
        let first = gather.next().unwrap();
        release.send(()).unwrap();
        ended.push(first.index);
        ended.extend(std::iter::from_fn(|| Some(gather.next()?.index)));
    });
    assert_eq!(ended, [1, 0]);
}
