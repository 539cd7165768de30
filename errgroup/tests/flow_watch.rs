//! What others see of a flow as it runs, and how they end it.

#![cfg(feature = "flow")]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use errgroup::flow::{Flow, Node, NodeState, OnFailure, State, Watcher};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

type Result<T> = std::result::Result<T, &'static str>;

fn states(nodes: &[NodeState]) -> Vec<(&str, State)> {
    let nodes = nodes.iter().map(|node| (&*node.name, node.state));
    nodes.collect()
}

/// Waits until the node is there.
async fn comes<T>(watcher: &mut Watcher, node: Node<T>, state: State) {
    while watcher.state(node) != state {
        assert!(watcher.changed().await, "the flow is over");
    }
}

#[tokio::test]
async fn a_watcher_sees_each_node_come_and_go() {
    let mut flow = Flow::<&str>::new();
    let mut watcher = flow.watcher();
    let (release, released) = oneshot::channel::<()>();
    let first = flow.node("first", (), |()| async {
        released.await.map_err(|_| "dropped")
    });
    let second = flow.node("second", first, |_| pending::<Result<()>>());
    let before = watcher.nodes();
    assert_eq!(
        states(&before),
        [("first", State::Pending), ("second", State::Pending)]
    );
    let canceller = flow.canceller();
    let run = tokio::spawn(flow.run());
    comes(&mut watcher, first, State::Running).await;
    assert_eq!(watcher.state(second), State::Pending);
    release.send(()).unwrap();
    comes(&mut watcher, second, State::Running).await;
    assert_eq!(watcher.state(first), State::Succeeded);
    canceller.cancel();
    comes(&mut watcher, second, State::Cancelled).await;
    run.await.unwrap();
    assert!(!watcher.changed().await, "the flow is over");
}

#[tokio::test]
async fn in_the_end_a_watcher_knows_what_the_report_knows() {
    let build = |on_failure, late: bool| {
        let mut flow = Flow::<&str>::new().on_failure(on_failure).limit(1);
        let early = (!late).then(|| flow.watcher());
        let given = flow.node("given", (), |()| async { Ok(1) });
        flow.give(given, Arc::new(2));
        let fails = flow.node("fails", given, |_| async { Err::<(), _>("as intended") });
        let skipped = flow.node("skipped", fails, |_| async { Ok(()) });
        flow.node("skipped, too", skipped, |_| async { Ok(()) });
        let unwanted = flow.step("unwanted", given, |_| async { Ok(()) });
        unwanted.when(|_| false).add();
        flow.node("goes on", fails.optional(), |_| async { Ok(()) });
        let watcher = early.unwrap_or_else(|| flow.watcher());
        (flow, watcher)
    };
    for on_failure in [OnFailure::FailFast, OnFailure::SkipDescendants] {
        for late in [false, true] {
            let (flow, mut watcher) = build(on_failure, late);
            let report = flow.run().await;
            let reported = report.nodes().map(|node| (node.name, node.state));
            let reported: Vec<_> = reported.collect();
            assert_eq!(states(&watcher.nodes()), reported);
            while watcher.changed().await {}
            assert_eq!(states(&watcher.nodes()), reported);
        }
    }
}

#[tokio::test]
async fn a_flow_that_is_dropped_is_over_for_its_watchers() {
    let mut flow = Flow::<&str>::new();
    let node = flow.node("stuck", (), |()| pending::<Result<()>>());
    let mut watcher = flow.watcher();
    let other = watcher.clone();
    let run = tokio::spawn(flow.run());
    comes(&mut watcher, node, State::Running).await;
    run.abort();
    while watcher.changed().await {}
    assert_eq!(other.state(node), State::Cancelled);

    let mut flow = Flow::<&str>::new();
    let node = flow.node("never run", (), |()| async { Ok(()) });
    let mut watcher = flow.watcher();
    drop(flow);
    assert!(watcher.changed().await, "it was pending");
    assert!(!watcher.changed().await);
    assert_eq!(watcher.state(node), State::Cancelled);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as intended");
    }
}

#[tokio::test]
async fn a_node_that_fails_as_it_is_dropped_unbegun_has_failed_for_its_watchers() {
    let mut flow = Flow::<&str>::new();
    let bomb = Bomb;
    let node = flow.node("bomb", (), move |()| {
        let bomb = bomb;
        async {
            drop(bomb);
            Ok(())
        }
    });
    let watcher = flow.watcher();
    flow.canceller().cancel();
    flow.run().await;
    assert_eq!(watcher.state(node), State::Failed);
}

/// A flow of one node that ends only with it, and that node.
fn endless(flow: Flow<&'static str>) -> (Flow<&'static str>, Node<()>) {
    let mut flow = flow;
    let node = flow.node("endless", (), |()| pending());
    (flow, node)
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_the_outputs_that_are_there_by_then() {
    let at = Instant::now() + Duration::from_secs(3);
    let (mut flow, endless) = endless(Flow::new().deadline(at));
    let quick = flow.node("quick", (), |()| async { Ok(7) });
    let report = timeout(Duration::from_secs(60), flow.run()).await.unwrap();
    assert_eq!(Instant::now(), at);
    assert_eq!(report.get(quick).as_deref(), Some(&7));
    assert_eq!(report.node(endless).state, State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_event_cancels_and_its_panic_goes_on_at_run() {
    let (stop, stopped) = oneshot::channel::<()>();
    let (flow, node) = endless(Flow::new().cancel_when(stopped));
    let mut watcher = flow.watcher();
    let run = tokio::spawn(timeout(Duration::from_secs(60), flow.run()));
    comes(&mut watcher, node, State::Running).await;
    stop.send(()).unwrap();
    let report = run.await.unwrap().expect("nothing cancelled it");
    assert_eq!(report.node(node).state, State::Cancelled);

    let (flow, _) = endless(Flow::new().cancel_when(async { panic!("as intended") }));
    let run = tokio::spawn(timeout(Duration::from_secs(60), flow.run()));
    assert!(run.await.is_err_and(|ended| ended.is_panic()));
}

#[tokio::test]
async fn a_deadline_that_has_been_lets_no_node_start() {
    let mut flow = Flow::<()>::new().deadline(Instant::now());
    let node = flow.node("a", (), |()| async { Ok(()) });
    assert_eq!(flow.run().await.node(node).state, State::Cancelled);
}

#[cfg(feature = "tokio-util")]
#[tokio::test(start_paused = true)]
async fn a_token_cancels() {
    let token = tokio_util::sync::CancellationToken::new();
    let (flow, node) = endless(Flow::new().cancel_with(&token));
    token.cancel();
    let report = timeout(Duration::from_secs(60), flow.run()).await.unwrap();
    assert_eq!(report.node(node).state, State::Cancelled);
}
