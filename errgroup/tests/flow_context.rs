//! Nodes run in the context, and in the span, of the task that awaits the run.

#![cfg(feature = "flow")]

use std::time::Duration;

use errgroup::Context;
use errgroup::flow::{Flow, Retry, State};

/// Where a node is: the request's id.
fn request() -> Option<String> {
    Context::current().map(|context| context.id().to_owned())
}

/// Looks from a node's function, from its future, and after a wait; then that of tasks
/// that were called by others.
async fn all_are(here: fn() -> Option<String>, expected: &'static str) {
    let look = move || match here() {
        Some(name) if name == expected => Ok(()),
        other => Err(other),
    };
    let look_on = move || {
        let first = look();
        async move {
            first?;
            look()?;
            tokio::task::yield_now().await;
            look()
        }
    };
    let mut flow = Flow::new();
    // The first one waits, so that those beside it run in tasks of their own.
    let firsts: Vec<_> = (0..4)
        .map(|_| flow.node("first", (), move |()| look_on()))
        .collect();
    let mut calls = 0;
    let retried = flow
        .step("retried", firsts, move |_| {
            calls += 1;
            let result = look();
            async move { if calls == 1 { Err(None) } else { result } }
        })
        .retry(Retry::times(1).pause(Duration::from_millis(1), Duration::from_millis(1)))
        .when(move |_| look().is_ok())
        .add();
    for _ in 0..4 {
        flow.node("next", retried, move |_| look_on());
    }
    let report = flow.run().await;
    let mut states = report.nodes().map(|node| node.state);
    assert!(states.all(|state| state == State::Succeeded), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_have_the_context_of_whoever_awaits_the_run() {
    Context::new("request")
        .run(all_are(request, "request"))
        .await;
    let spawned = Context::new("spawned").run(all_are(request, "spawned"));
    tokio::spawn(spawned).await.unwrap();
    assert_eq!(request(), None);
}

#[tokio::test]
async fn nodes_of_two_runs_in_turn_keep_apart() {
    tokio::join!(
        Context::new("one").run(all_are(request, "one")),
        Context::new("other").run(all_are(request, "other")),
    );
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn nodes_have_the_span_of_whoever_awaits_the_run() {
    use tracing::Instrument;

    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    let span = || {
        tracing::Span::current()
            .metadata()
            .map(|span| span.name().to_owned())
    };
    all_are(span, "served")
        .instrument(tracing::info_span!("served"))
        .await;
}
