//! Workflows: who starts when, who fails, who is skipped.

#![cfg(feature = "flow")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use errgroup::flow::{Failure, Flow, Node, OnFailure, OtherShape, Report, State};
use tokio::sync::{Barrier, oneshot};

type Result<T> = std::result::Result<T, &'static str>;

fn names<E>(report: &Report<E>, state: State) -> Vec<&str> {
    let nodes = report.nodes();
    let of_state = nodes.filter(|node| node.state == state);
    of_state.map(|node| node.name).collect()
}

#[tokio::test]
async fn a_then_b_needs_a_then_c_needs_both() {
    let mut flow = Flow::<&str>::new();
    let a = flow.node("a", (), |()| async { Ok(2) });
    let b = flow.node("b", a, |a| async move { Ok(*a * 10) });
    let c = flow.node("c", (a, b), |(a, b)| async move { Ok(*a + *b) });
    let report = flow.run().await;
    assert_eq!(report.get(c).as_deref(), Some(&22));
    assert!(report.is_ok());
    let path = report.critical_path();
    assert_eq!(
        path.iter().map(|node| node.name).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn a_fan_out_runs_side_by_side_and_comes_in_by_order() {
    let all = Arc::new(Barrier::new(100));
    let mut flow = Flow::<&str>::new();
    let one = flow.node("one", (), |()| async { Ok(1) });
    let many: Vec<Node<usize>> = (0..100)
        .map(|n| {
            let all = Arc::clone(&all);
            flow.node(format!("{n}"), one, move |one| async move {
                all.wait().await;
                Ok(*one * n)
            })
        })
        .collect();
    let list = flow.node("list", many, |many| async move {
        Ok(many.iter().map(|n| **n).collect::<Vec<_>>())
    });
    let report = flow.run().await;
    assert_eq!(*report.get(list).unwrap(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_node_starts_when_its_own_inputs_are_there_not_when_a_layer_is() {
    let (tell, told) = oneshot::channel::<()>();
    let mut flow = Flow::<&str>::new();
    // In the layer of `fast`, and done only after the next one.
    flow.node("slow", (), |()| async {
        told.await.map_err(|_| "nobody tells")
    });
    let fast = flow.node("fast", (), |()| async { Ok(()) });
    flow.node("next", fast, |_| async {
        tell.send(()).map_err(|()| "nobody listens")
    });
    assert!(flow.run().await.is_ok());
}

#[tokio::test]
async fn no_more_nodes_than_the_limit_run_at_once() {
    let running = Arc::new(AtomicUsize::new(0));
    let mut flow = Flow::<&str>::new().limit(2);
    for n in 0..20 {
        let running = Arc::clone(&running);
        flow.node(format!("{n}"), (), move |()| async move {
            let others = running.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, SeqCst);
            if others < 2 { Ok(()) } else { Err("too many") }
        });
    }
    assert!(flow.run().await.is_ok());
}

/// On a paused clock, which goes on once nobody can: then less than the limit run.
#[tokio::test(start_paused = true)]
async fn as_many_nodes_as_the_limit_run_at_once() {
    let all = Arc::new(Barrier::new(3));
    let mut flow = Flow::<&str>::new().limit(3);
    for n in 0..9 {
        let all = Arc::clone(&all);
        flow.node(format!("{n}"), (), |()| async move {
            let met = tokio::time::timeout(Duration::from_secs(1), all.wait()).await;
            met.map(drop).map_err(|_| "fewer than three run")
        });
    }
    let report = flow.run().await;
    assert!(report.is_ok(), "{report:?}");
}

/// `bad` fails; `child` and `grandchild` need it; `other` is told to end after
/// it has failed.
fn with_failure(on_failure: OnFailure) -> (Flow<&'static str>, Node<i32>) {
    let (tell, told) = oneshot::channel::<()>();
    let mut flow = Flow::new().on_failure(on_failure);
    let bad = flow.node("bad", (), |()| async { Err::<i32, _>("broken") });
    let child = flow.node("child", bad, |bad| async move { Ok(*bad) });
    let grandchild = flow.node("grandchild", child, |child| async move { Ok(*child) });
    flow.node("other", (), |()| async {
        let _ = told.await;
        Ok(())
    });
    flow.node("cleanup", bad.optional(), |bad| async move {
        assert_eq!(bad, None);
        tell.send(()).map_err(|()| "other is gone")
    });
    (flow, grandchild)
}

#[tokio::test]
async fn skip_descendants_lets_all_others_finish() {
    let (flow, grandchild) = with_failure(OnFailure::SkipDescendants);
    let report = flow.run().await;
    assert_eq!(report.get(grandchild), None);
    assert_eq!(names(&report, State::Failed), ["bad"]);
    assert_eq!(names(&report, State::Skipped), ["child", "grandchild"]);
    assert_eq!(names(&report, State::Succeeded), ["other", "cleanup"]);
    assert!(!report.is_ok());
    let failure = report.first_failure().unwrap().failure;
    assert!(matches!(failure, Some(Failure::Error("broken"))));
    // Settled without being run.
    assert_eq!(report.node(grandchild).attempts, 0);
    assert_eq!(report.node(grandchild).started, None);
}

#[tokio::test]
async fn fail_fast_cancels_all_that_runs_or_waits() {
    let (flow, _) = with_failure(OnFailure::FailFast);
    let report = flow.run().await;
    assert_eq!(names(&report, State::Failed), ["bad"]);
    assert_eq!(
        names(&report, State::Cancelled),
        ["child", "grandchild", "other", "cleanup"]
    );
}

#[tokio::test]
async fn a_cancel_from_outside_drops_what_runs() {
    struct Tell(Option<oneshot::Sender<()>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (dropped, is_dropped) = oneshot::channel();
    let dropped = Tell(Some(dropped));
    let mut flow = Flow::<&str>::new();
    let canceller = flow.canceller();
    let waits = flow.node("waits", (), |()| async move {
        let _dropped = dropped;
        canceller.cancel();
        std::future::pending::<Result<()>>().await
    });
    let report = flow.run().await;
    assert_eq!(names(&report, State::Cancelled), ["waits"]);
    assert_eq!(report.node(waits).attempts, 1);
    is_dropped.await.unwrap();
}

#[tokio::test]
async fn a_dropped_run_drops_its_nodes() {
    let held = Arc::new(());
    let (started, is_started) = oneshot::channel();
    let mine = Arc::clone(&held);
    let mut flow = Flow::<&str>::new();
    flow.node("waits", (), |()| async move {
        let _mine = mine;
        started.send(()).unwrap();
        std::future::pending::<Result<()>>().await
    });
    let run = tokio::spawn(flow.run());
    is_started.await.unwrap();
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    while Arc::strong_count(&held) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_goes_on_from_what_an_earlier_one_came_to() {
    let calls = Arc::new(AtomicUsize::new(0));
    let build = |second: Result<i32>| {
        let calls = Arc::clone(&calls);
        let mut flow = Flow::<&str>::new();
        let first = flow.node("first", (), move |()| {
            calls.fetch_add(1, SeqCst);
            async { Ok(20) }
        });
        let last = flow.node("second", first, move |n| async move { Ok(*n + second?) });
        (flow, last)
    };
    let (flow, _) = build(Err("down"));
    let failed = flow.run().await;
    assert_eq!(names(&failed, State::Succeeded), ["first"]);

    let (mut flow, last) = build(Ok(1));
    flow.resume(&failed).unwrap();
    let report = flow.run().await;
    assert_eq!(report.get(last).as_deref(), Some(&21));
    assert_eq!(names(&report, State::Given), ["first"]);
    assert_eq!(calls.load(SeqCst), 1);

    let mut other = Flow::<&str>::new();
    other.node("another", (), |()| async { Ok(()) });
    assert!(other.resume(&report).is_err());
}

#[tokio::test]
async fn outputs_of_another_type_are_of_another_shape_and_none_is_given() {
    let build = |fails| {
        let mut flow = Flow::<&str>::new().on_failure(OnFailure::SkipDescendants);
        flow.node("same", (), |()| async { Ok("text") });
        flow.node("fails", (), move |()| async move {
            if fails { Err("down") } else { Ok(1) }
        });
        flow
    };
    let mut earlier = build(true);
    earlier.node("other", (), |()| async { Ok(1_u32) });
    let earlier = earlier.run().await;

    let mut flow = build(false);
    let other = flow.node("other", (), |()| async { Ok(2_u64) });
    assert_eq!(flow.resume(&earlier), Err(OtherShape));
    let report = flow.run().await;
    assert_eq!(report.get(other).as_deref(), Some(&2));
    assert!(names(&report, State::Given).is_empty());

    // What has no output has none of another type.
    let mut flow = Flow::<&str>::new();
    flow.node("same", (), |()| async { Ok("text") });
    flow.node("fails", (), |()| async { Ok("repaired") });
    flow.node("other", (), |()| async { Ok(1_u32) });
    assert_eq!(flow.resume(&earlier), Ok(()));
    assert_eq!(names(&flow.run().await, State::Given), ["same", "other"]);
}

#[tokio::test]
async fn a_given_output_stands_for_its_node_wherever_that_is() {
    let mut flow = Flow::<&str>::new();
    let a = flow.node("a", (), |()| async { Ok(1) });
    let b = flow.node("b", a, |_| async { Err::<i32, _>("was given") });
    let c = flow.node("c", (a, b), |(a, b)| async move { Ok(*a + *b) });
    flow.give(b, Arc::new(5));
    assert_eq!(flow.run().await.get(c).as_deref(), Some(&6));
}

#[tokio::test]
#[should_panic(expected = "another flow")]
async fn a_node_of_another_flow_is_refused() {
    let mut one = Flow::<&str>::new();
    let a = one.node("a", (), |()| async { Ok(1) });
    Flow::<&str>::new().node("b", a, |_| async { Ok(()) });
}

#[tokio::test]
async fn an_empty_flow_is_done_at_once() {
    assert!(Flow::<()>::new().run().await.nodes().len() == 0);
}
