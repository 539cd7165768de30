//! The spawner's span goes with the task.

#![cfg(feature = "tracing")]

use errgroup::{Context, Gather, Group, named, named_job, scope};
use tracing::{Span, info_span};

/// Says in which span it was *not*, on both sides of a yield.
async fn runs_in(name: Option<&'static str>) -> Result<(), Option<&'static str>> {
    for _ in 0..2 {
        let here = Span::current().metadata().map(tracing::Metadata::name);
        if here != name {
            return Err(here);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_task_runs_in_the_span_of_its_spawner() {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        info_span!("first").in_scope(|| group.spawn(runs_in(Some("first"))));
        // With limit 1 the same runner goes from span to span.
        info_span!("second").in_scope(|| group.spawn(runs_in(Some("second"))));
        group.spawn(runs_in(None));
        assert_eq!(group.wait().await, Ok(()));
    }
}

/// The name of the span in which this is called.
fn here() -> Option<&'static str> {
    Span::current().metadata().map(tracing::Metadata::name)
}

#[tokio::test]
async fn however_it_is_spawned_a_task_has_span_and_context() {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    let check = || {
        let id = Context::current().map(|context| context.id().to_owned());
        match (here(), id.as_deref()) {
            (Some("request"), Some("seven")) => Ok(()),
            (span, id) => Err(format!("{span:?} {id:?}")),
        }
    };
    let request = async {
        for limit in [1, usize::MAX] {
            let group = Group::new().limit(limit);
            group.try_spawn(async move { check() }).unwrap();
            group.spawn_wait(async move { check() }).await.unwrap();
            // A thread has the subscriber of the process, which has none here.
            group.spawn_blocking(|| {
                let id = Context::current().map(|context| context.id().to_owned());
                (id.as_deref() == Some("seven"))
                    .then_some(())
                    .ok_or_else(|| format!("{id:?}"))
            });
            assert!(group.spawn_value(async move { check() }).await.is_ok());
            group.wait().await?;

            let gather = Gather::new().limit(limit);
            gather.spawn(async move { check() });
            gather.spawn_wait(async move { check() }).await.unwrap();
            gather
                .wait()
                .await
                .into_values()
                .map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    };
    let request = Context::new("seven").run(request);
    let request = tracing::Instrument::instrument(request, info_span!("request"));
    assert_eq!(request.await, Ok(()));
}

#[test]
fn a_task_of_a_scope_has_span_and_context() {
    let default = tracing::Dispatch::new(tracing_subscriber::registry());
    let _default = tracing::dispatcher::set_default(&default);
    let span = info_span!("request");
    let id = span.id();
    let result = Context::new("seven").call(|| {
        span.in_scope(|| {
            scope(|group| {
                let check = || {
                    let _default = tracing::dispatcher::set_default(&default);
                    let current = Span::current().id();
                    let context = Context::current().map(|context| context.id().to_owned());
                    if current == id && context.as_deref() == Some("seven") {
                        Ok(())
                    } else {
                        Err(format!("{current:?} {context:?}"))
                    }
                };
                group.spawn(check);
                group.try_spawn(check).unwrap();
                group.spawn_wait(check).unwrap();
                Ok(())
            })
        })
    });
    assert_eq!(result, Ok(()));
}

/// Here and not beside the other tests of names, for those have no subscriber: whichever
/// test is the first to make such a span decides whether the process has any.
#[tokio::test]
async fn a_name_is_in_the_span_of_its_task() {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    let group = Group::<Option<&str>>::new();
    let check = || match here() {
        Some("task") => Ok(()),
        other => Err(other),
    };
    group.spawn(named("fetch", async move { check() }));
    assert_eq!(group.wait().await, Ok(()));
    named_job("sums", check)().unwrap();
}
