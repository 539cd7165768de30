//! Options of a node: retry, timeout, fallback, condition.

#![cfg(feature = "flow")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use errgroup::flow::{Failure, Flow, OnFailure, Report, Retry, State};
use tokio::time::Instant;

type Result<T> = std::result::Result<T, &'static str>;

const SECOND: Duration = Duration::from_secs(1);

fn names<E>(report: &Report<E>, state: State) -> Vec<&str> {
    let nodes = report.nodes();
    let of_state = nodes.filter(|node| node.state == state);
    of_state.map(|node| node.name).collect()
}

/// The pauses between the attempts of two nodes that fail until they give up.
async fn pauses(retry: Retry) -> [Vec<Duration>; 2] {
    let mut flow = Flow::<&str>::new().on_failure(OnFailure::SkipDescendants);
    let calls = [(); 2].map(|()| {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        let always_fails = move |()| {
            noted.lock().unwrap().push(Instant::now());
            async { Err::<(), _>("always") }
        };
        flow.step("fails", (), always_fails).retry(retry).add();
        calls
    });
    flow.run().await;
    calls.map(|calls| {
        let calls = calls.lock().unwrap();
        calls.windows(2).map(|two| two[1] - two[0]).collect()
    })
}

/// What tokio's timer may add to a pause.
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn pauses_grow_up_to_the_longest_and_lie_between_half_and_the_whole() {
    let pauses = pauses(Retry::times(6).pause(SECOND, 5 * SECOND)).await;
    for pauses in pauses {
        assert_eq!(pauses.len(), 6);
        for (pause, nominal) in pauses.into_iter().zip([1, 2, 4, 5, 5, 5]) {
            let nominal = nominal * SECOND;
            assert!(pause >= nominal / 2 && pause <= nominal + TICK, "{pause:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_pause_bounds_the_first_too() {
    for pauses in pauses(Retry::times(2).pause(9 * SECOND, SECOND).factor(3.0)).await {
        assert!(pauses.iter().all(|pause| *pause <= SECOND + TICK));
    }
}

#[tokio::test(start_paused = true)]
async fn two_who_fail_together_do_not_come_back_together() {
    let retry = Retry::times(8).pause(1000 * SECOND, 1000 * SECOND);
    let [one, other] = pauses(retry).await;
    assert_ne!(one, other);
    // And another run comes back at other times again.
    let [again, _] = pauses(retry).await;
    assert_ne!(one, again);
}

#[tokio::test(start_paused = true)]
async fn a_factor_of_one_keeps_the_pause() {
    let [pauses, _] = pauses(Retry::times(5).pause(SECOND, 99 * SECOND).factor(1.0)).await;
    assert!(pauses.iter().all(|pause| *pause <= SECOND + TICK));
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

#[tokio::test(start_paused = true)]
async fn a_timeout_is_of_each_attempt_and_the_node_took_all_of_them_and_the_pauses() {
    let mut flow = Flow::<&str>::new();
    let quick = flow.node("quick", (), |()| async { Ok(()) });
    let node = flow
        .step("hangs", quick, |_| std::future::pending::<Result<()>>())
        .timeout(3 * SECOND)
        .retry(Retry::times(1).pause(SECOND, SECOND))
        .add();
    let report = flow.run().await;
    let node = report.node(node);
    assert!(matches!(node.failure, Some(Failure::TimedOut)));
    assert_eq!(node.attempts, 2);
    let took = node.took().unwrap();
    assert!(took >= 2 * 3 * SECOND + SECOND / 2, "{took:?}");
    assert!(took <= 2 * 3 * SECOND + SECOND + 3 * TICK, "{took:?}");
    assert_eq!(report.node(quick).took(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_dropped_in_a_pause_tells_its_attempts() {
    let mut flow = Flow::<&str>::new();
    let retry = Retry::times(3).pause(4 * SECOND, 4 * SECOND);
    let node = flow.step("pauses", (), flaky(9)).retry(retry).add();
    let canceller = flow.canceller();
    flow.node("cancels", (), |()| async move {
        tokio::time::sleep(SECOND).await;
        canceller.cancel();
        Ok(())
    });
    let report = flow.run().await;
    let node = report.node(node);
    assert_eq!((node.state, node.attempts), (State::Cancelled, 1));
    assert_eq!(node.started, Some(Duration::ZERO));
    assert!(node.took().is_some_and(|took| took >= SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_pauses_keeps_its_place_of_the_limit() {
    let mut flow = Flow::<&str>::new().limit(1);
    let retry = Retry::times(1).pause(SECOND, SECOND);
    let pauses = flow.step("pauses", (), flaky(1)).retry(retry).add();
    let later = flow.node("later", (), |()| async { Ok(()) });
    let report = flow.run().await;
    let ended = report.node(pauses).ended;
    assert!(report.is_ok() && report.node(later).started >= ended);
}

#[tokio::test]
async fn a_failure_is_an_error_that_stands_for_the_nodes_own() {
    use std::error::Error;
    let mut flow = Flow::<Broken>::new().on_failure(OnFailure::SkipDescendants);
    let bad = flow.node("bad", (), |()| async {
        Err::<(), _>(Broken(std::fmt::Error))
    });
    let report = flow.run().await;
    let failure: &dyn Error = report.node(bad).failure.unwrap();
    assert_eq!(failure.to_string(), "broken");
    assert!(failure.source().unwrap().is::<std::fmt::Error>());
}

#[derive(Debug)]
struct Broken(std::fmt::Error);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
