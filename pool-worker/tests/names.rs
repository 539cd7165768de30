//! A named job runs in a span of its own, with its name and that of its pool.
#![cfg(all(feature = "tokio", feature = "tracing", not(loom_models)))]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{tasks, threads};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const LONG: Duration = Duration::from_secs(60);

/// The spans that were made: their name, and their fields in order.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Made {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _cx: Context<'_, S>) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

fn current() -> &'static str {
    Span::current()
        .metadata()
        .map_or("none", |span| span.name())
}

#[tokio::test]
async fn a_named_job_runs_in_one_span_with_both_names() {
    let made = Made::default();
    let subscriber = tracing_subscriber::registry().with(made.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let made = || std::mem::take(&mut *made.0.lock().unwrap());

    let pool = threads::Pool::builder().name("cpu").build();
    assert_eq!(
        pool.spawn_named("shrink", current).unwrap().wait().unwrap(),
        "job"
    );
    assert_eq!(pool.spawn(current).unwrap().wait().unwrap(), "none");
    pool.submit_named("grow", || ()).unwrap();
    pool.close(LONG).unwrap();
    let expected = [
        r#"job name="shrink" pool="cpu""#,
        r#"job name="grow" pool="cpu""#,
    ];
    assert_eq!(made(), expected);

    // One span, however often it is polled.
    let pool = tasks::Pool::builder().name("io").build();
    let polled = |times: u32| async move {
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
        current()
    };
    let fetch = pool.spawn_named("fetch", polled(5)).await.unwrap();
    assert_eq!(fetch.await.unwrap(), "job");
    assert_eq!(pool.spawn(polled(0)).await.unwrap().await.unwrap(), "none");
    assert_eq!(made(), [r#"job name="fetch" pool="io""#]);
}
