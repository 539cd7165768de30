//! A panic of a node is its failure and nobody else's, wherever in the node it happens.

#![cfg(feature = "flow")]

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use errgroup::flow::{Failure, Flow, Node, NodeReport, OnFailure, State};
use tokio::sync::oneshot;

type Result<T> = std::result::Result<T, &'static str>;

/// What a node panicked with.
fn message<'r>(node: &NodeReport<'r, &'static str>) -> Option<&'r str> {
    assert_eq!(node.state, State::Failed);
    match node.failure {
        Some(Failure::Panicked(panic)) => panic.message(),
        other => panic!("{other:?}"),
    }
}

fn flow() -> Flow<&'static str> {
    Flow::new().on_failure(OnFailure::SkipDescendants)
}

/// A flow with `bad` as the node to look at, another one beside it that is fine.
async fn fails(build: impl FnOnce(&mut Flow<&'static str>) -> Node<i32>, with: &str) {
    let mut flow = flow();
    let bad = build(&mut flow);
    let fine = flow.node("fine", (), |()| async { Ok(1) });
    let report = flow.run().await;
    assert_eq!(message(&report.node(bad)), Some(with));
    assert_eq!(report.get(fine).as_deref(), Some(&1));
}

/// A panic that looks like a value to the compiler.
fn boom<T>() -> T {
    panic!("boom")
}

/// Panics when it is dropped, unless a panic goes on already.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Ends at once, with what it is told or a panic, and keeps a bomb for its drop.
struct Trapped {
    end: Option<Result<i32>>,
    _bomb: Bomb,
}

impl Future for Trapped {
    type Output = Result<i32>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<i32>> {
        Poll::Ready(self.end.take().unwrap_or_else(boom))
    }
}

fn trapped(end: Option<Result<i32>>) -> Trapped {
    Trapped { end, _bomb: Bomb }
}

#[tokio::test]
async fn of_its_function_or_its_future() {
    fails(
        |flow| flow.node("bad", (), |()| boom::<std::future::Ready<_>>()),
        "boom",
    )
    .await;
    fails(|flow| flow.node("bad", (), |()| async { boom() }), "boom").await;
}

#[tokio::test]
async fn of_its_condition_or_its_fallback() {
    let good = |()| async { Ok(1) };
    let fallen = |()| async { Err("first") };
    fails(
        |flow| flow.step("bad", (), good).when(|()| boom()).add(),
        "boom",
    )
    .await;
    fails(
        |flow| flow.step("bad", (), fallen).fallback(|_| boom()).add(),
        "boom",
    )
    .await;
}

#[tokio::test]
async fn has_a_fallback_as_other_failures_have() {
    let mut flow = flow();
    let node = flow
        .step("bad", (), |()| async { boom() })
        .fallback(|failure| match failure {
            Failure::Panicked(panic) if panic.message() == Some("boom") => Ok(2),
            _ => Err("not the panic"),
        })
        .add();
    let report = flow.run().await;
    assert_eq!(report.get(node).as_deref(), Some(&2));
    assert_eq!(report.node(node).attempts, 1);
}

#[tokio::test]
async fn of_dropping_what_has_ended() {
    let ended = |result| move |flow: &mut Flow<_>| flow.node("bad", (), move |()| trapped(result));
    fails(ended(Some(Ok(1))), "dropped").await;
    // What came first is the failure.
    fails(ended(None), "boom").await;
    let mut flow = flow();
    let framed = flow
        .step("bad", (), |()| trapped(Some(Ok(1))))
        .when(|()| true);
    let framed = framed.add();
    assert_eq!(message(&flow.run().await.node(framed)), Some("dropped"));
}

#[tokio::test]
async fn of_dropping_what_was_cancelled_while_it_ran() {
    let mut flow = flow();
    let canceller = flow.canceller();
    let (running, runs) = oneshot::channel();
    let bad = flow.node("bad", (), move |()| async move {
        let _bomb = Bomb;
        running.send(()).map_err(|()| "nobody waits")?;
        pending::<Result<i32>>().await
    });
    flow.node("cancels", (), move |()| async move {
        let _ = runs.await;
        canceller.cancel();
        Ok(())
    });
    let report = flow.run().await;
    assert_eq!(message(&report.node(bad)), Some("dropped"));
    assert_eq!(report.node(bad).attempts, 1);
    assert!(report.node(bad).ended.is_some());
}

#[tokio::test]
async fn of_dropping_what_never_ran() {
    let mut flow = flow();
    let first = flow.node("first", (), |()| async { Err::<i32, _>("first") });
    let bomb = Bomb;
    let bad = flow.node("bad", first, move |n| async move {
        let _bomb = bomb;
        Ok(*n)
    });
    let report = flow.run().await;
    assert_eq!(message(&report.node(bad)), Some("dropped"));
    assert_eq!(
        (report.node(bad).attempts, report.node(bad).started),
        (0, None)
    );
    // That one came later.
    assert_eq!(report.first_failure().unwrap().name, "first");
}

#[tokio::test]
async fn is_not_told_as_one_that_the_node_before_has_caught() {
    errgroup::record_panics();
    let mut flow = flow();
    let careful = flow.node("careful", (), |()| async {
        Ok(std::panic::catch_unwind(boom::<()>).is_err())
    });
    let bad = flow.node("bad", careful, |_| async {
        std::panic::resume_unwind(Box::new("thrown without the hook"));
        #[expect(unreachable_code)]
        Ok(())
    });
    let report = flow.run().await;
    assert_eq!(report.get(careful).as_deref(), Some(&true));
    match report.node(bad).failure {
        Some(Failure::Panicked(panic)) => assert_eq!(panic.location(), None),
        other => panic!("{other:?}"),
    }
}
