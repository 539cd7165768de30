//! Workflows: who starts when, who fails, who is skipped.

#![cfg(feature = "flow")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use errgroup::flow::{Failure, Flow, Node, OnFailure, Report, Retry, State};
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
            flow.node(format!("{n}"), one, move |one| {
                let all = Arc::clone(&all);
                async move {
                    all.wait().await;
                    Ok(*one * n)
                }
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
    let (mut tell, mut told) = (Some(tell), Some(told));
    let mut flow = Flow::<&str>::new();
    // In the layer of `fast`, and done only after the next one.
    flow.node("slow", (), move |()| {
        let told = told.take();
        async move { told.unwrap().await.map_err(|_| "nobody tells") }
    });
    let fast = flow.node("fast", (), |()| async { Ok(()) });
    flow.node("next", fast, move |_| {
        let tell = tell.take();
        async move { tell.unwrap().send(()).map_err(|()| "nobody listens") }
    });
    assert!(flow.run().await.is_ok());
}

#[tokio::test]
async fn no_more_nodes_than_the_limit_run_at_once() {
    let running = Arc::new(AtomicUsize::new(0));
    let mut flow = Flow::<&str>::new().limit(2);
    for n in 0..20 {
        let running = Arc::clone(&running);
        flow.node(format!("{n}"), (), move |()| {
            let running = Arc::clone(&running);
            async move {
                let others = running.fetch_add(1, SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, SeqCst);
                if others < 2 { Ok(()) } else { Err("too many") }
            }
        });
    }
    assert!(flow.run().await.is_ok());
}

/// `bad` fails; `child` and `grandchild` need it; `other` is told to end after
/// it has failed.
fn with_failure(on_failure: OnFailure) -> (Flow<&'static str>, Node<i32>) {
    let (tell, told) = oneshot::channel::<()>();
    let (mut tell, mut told) = (Some(tell), Some(told));
    let mut flow = Flow::new().on_failure(on_failure);
    let bad = flow.node("bad", (), |()| async { Err::<i32, _>("broken") });
    let child = flow.node("child", bad, |bad| async move { Ok(*bad) });
    let grandchild = flow.node("grandchild", child, |child| async move { Ok(*child) });
    flow.node("other", (), move |()| {
        let told = told.take();
        async move {
            let _ = told.unwrap().await;
            Ok(())
        }
    });
    flow.node("cleanup", bad.optional(), move |bad| {
        let tell = tell.take().unwrap();
        async move {
            assert_eq!(bad, None);
            tell.send(()).map_err(|()| "other is gone")
        }
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
    let mut dropped = Some(Tell(Some(dropped)));
    let mut flow = Flow::<&str>::new();
    let canceller = flow.canceller();
    flow.node("waits", (), move |()| {
        let (dropped, canceller) = (dropped.take(), canceller.clone());
        async move {
            let _dropped = dropped;
            canceller.cancel();
            std::future::pending::<Result<()>>().await
        }
    });
    let report = flow.run().await;
    assert_eq!(names(&report, State::Cancelled), ["waits"]);
    is_dropped.await.unwrap();
}

#[tokio::test]
async fn a_dropped_run_drops_its_nodes() {
    let held = Arc::new(());
    let (started, is_started) = oneshot::channel();
    let (mut started, mine) = (Some(started), Arc::clone(&held));
    let mut flow = Flow::<&str>::new();
    flow.node("waits", (), move |()| {
        let (started, mine) = (started.take(), Arc::clone(&mine));
        async move {
            let _mine = mine;
            started.unwrap().send(()).unwrap();
            std::future::pending::<Result<()>>().await
        }
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
async fn a_panic_is_a_failure_of_the_node() {
    let mut flow = Flow::<&str>::new().on_failure(OnFailure::SkipDescendants);
    let bad = flow.node("bad", (), |()| async {
        if true { panic!("boom") } else { Ok(()) }
    });
    let fine = flow.node("fine", (), |()| async { Ok(1) });
    let report = flow.run().await;
    match &report.node(bad).failure {
        Some(Failure::Panicked(panic)) => assert_eq!(panic.message(), Some("boom")),
        other => panic!("{other:?}"),
    }
    assert_eq!(report.get(fine).as_deref(), Some(&1));
}

/// Fails so often, then returns how often it was called.
fn flaky(failures: usize) -> impl FnMut(()) -> std::future::Ready<Result<usize>> {
    let mut calls = 0;
    move |()| {
        calls += 1;
        std::future::ready(if calls > failures {
            Ok(calls)
        } else {
            Err("not yet")
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_backs_off_until_it_works() {
    let mut flow = Flow::<&str>::new();
    let retry = Retry::times(5).pause(Duration::from_secs(1), Duration::from_secs(4));
    let node = flow.step("flaky", (), flaky(4)).retry(retry).add();
    let report = flow.run().await;
    assert_eq!(report.get(node).as_deref(), Some(&5));
    assert_eq!(report.node(node).attempts, 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_gives_up_and_hands_back_the_last_error() {
    let mut flow = Flow::<&str>::new();
    let node = flow
        .step("flaky", (), flaky(9))
        .retry(Retry::times(2))
        .add();
    let other = |error: &&str| *error != "not yet";
    let unworthy = flow
        .step("once", (), flaky(9))
        .retry_if(Retry::times(2), other)
        .add();
    let report = flow.on_failure(OnFailure::SkipDescendants).run().await;
    assert_eq!(report.node(node).attempts, 3);
    assert_eq!(report.node(unworthy).attempts, 1);
    assert_eq!(names(&report, State::Failed), ["flaky", "once"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_drops_the_attempt_and_a_fallback_stands_in() {
    let mut flow = Flow::<&str>::new();
    let node = flow
        .step("hangs", (), |()| std::future::pending::<Result<i32>>())
        .timeout(Duration::from_secs(1))
        .retry(Retry::times(1))
        .fallback(|failure| match failure {
            Failure::TimedOut => Ok(-1),
            _ => Err("not a timeout"),
        })
        .add();
    let report = flow.run().await;
    assert_eq!(report.get(node).as_deref(), Some(&-1));
    assert_eq!(report.node(node).attempts, 2);
}

#[tokio::test]
async fn a_fallback_that_fails_is_the_failure() {
    let mut flow = Flow::<&str>::new();
    let bad = flow
        .step("bad", (), |()| async { Err::<(), _>("first") })
        .fallback(|_| Err("second"));
    bad.add();
    let report = flow.run().await;
    let failure = &report.first_failure().unwrap().failure;
    assert!(matches!(failure, Some(Failure::Error("second"))));
}

#[tokio::test]
async fn a_condition_skips_the_node_and_who_needs_it() {
    let mut flow = Flow::<&str>::new();
    let changes = flow.node("changes", (), |()| async { Ok(0) });
    let write = flow
        .step("write", changes, |n| async move { Ok(*n) })
        .when(|n| **n > 0)
        .add();
    flow.node("publish", write, |_| async { Ok(()) });
    let log = flow.node("log", write.optional(), |n| async move { Ok(n.is_some()) });
    let report = flow.run().await;
    assert_eq!(names(&report, State::Skipped), ["write", "publish"]);
    assert_eq!(report.get(log).as_deref(), Some(&false));
    assert!(report.is_ok());
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

#[tokio::test]
async fn drawings_name_nodes_inputs_and_states() {
    let (flow, _) = with_failure(OnFailure::SkipDescendants);
    assert!(flow.mermaid().contains("n0[\"bad\"]"));
    assert!(flow.mermaid().contains("n0 --> n1"));
    assert!(flow.mermaid().contains("n0 -.-> n4"));
    assert!(flow.dot().contains("n1 -> n2\n"));
    let report = flow.run().await;
    assert!(
        report
            .dot()
            .contains("[label=\"bad\", style=filled, fillcolor=\"#f4796b\"]")
    );
    let gantt = report.gantt();
    assert!(gantt.contains("bad: failed"));
    assert!(gantt.contains("child: skipped"));
    assert_eq!(gantt.matches("<rect").count(), 5);
}

#[test]
fn names_are_escaped_in_drawings() {
    let mut flow = Flow::<()>::new();
    flow.node("a \"<b>\"", (), |()| async { Ok(()) });
    assert!(flow.mermaid().contains("[\"a &quot;&lt;b&gt;&quot;\"]"));
    assert!(flow.dot().contains("label=\"a \\\"<b>\\\"\""));
}
