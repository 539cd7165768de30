//! A subscriber that panics costs neither a worker nor a job.
#![cfg(all(feature = "tokio", feature = "tracing", not(loom_models)))]

use std::sync::Once;
use std::sync::mpsc::channel;

use pool_worker::{Stats, tasks, threads};
use tokio::sync::oneshot;
use tracing::span::Id;
use tracing::{Event, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

mod gate;

use gate::{Job, LONG, gated, until};

/// Panics at each event, and at the end of each span.
struct Bad;

impl<S: Subscriber> Layer<S> for Bad {
    fn on_event(&self, _event: &Event<'_>, _cx: Context<'_, S>) {
        panic!("as intended");
    }

    fn on_close(&self, _id: Id, _cx: Context<'_, S>) {
        panic!("as intended");
    }
}

/// The subscriber of the process: workers are told to it on their own threads.
fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Bad);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// Runs this in a span that ends with the job that it submits, which has yet to end: so
/// the subscriber is told of its end on the worker.
fn in_a_span<R>(run: impl FnOnce() -> R) -> R {
    let span = std::mem::ManuallyDrop::new(info_span!("request"));
    let result = span.in_scope(run);
    // The job has a reference of its own, which is now the last.
    if let Some(id) = span.id() {
        tracing::dispatcher::get_default(|subscriber| _ = subscriber.try_close(id.clone()));
    }
    result
}

fn assert_so_many(stats: &Stats, ran: u64, panicked: u64) {
    assert_eq!(
        (stats.ran, stats.panicked, stats.cancelled),
        (ran, panicked, 0)
    );
}

#[test]
fn a_subscriber_that_panics_at_a_panic_costs_no_worker() {
    subscribe();
    let (tell, told) = channel();
    let pool = threads::Pool::builder()
        .capacity(1)
        .panic_handler(move |_| {
            tell.send(()).unwrap();
        });
    let pool = pool.build();
    let (gate, job) = gated();
    pool.submit(move || {
        job();
        panic!("as intended");
    })
    .unwrap();
    for _ in 0..3 {
        pool.submit(|| ()).unwrap();
    }
    drop(gate);
    until(|| pool.stats().ran == 3);
    assert_eq!(pool.stats().workers, 1);
    pool.close(LONG).unwrap();
    assert_so_many(&pool.stats(), 3, 1);
    assert_eq!(
        told.try_iter().count(),
        1,
        "the handler is told all the same"
    );
}

#[tokio::test]
async fn a_subscriber_that_panics_at_a_panic_costs_no_task() {
    subscribe();
    let pool = tasks::Pool::builder().capacity(1).build();
    pool.submit(async { panic!("as intended") }).await.unwrap();
    for _ in 0..3 {
        pool.submit(async {}).await.unwrap();
    }
    pool.wait_idle().await;
    assert!(!pool.is_closed());
    pool.close(LONG).await.unwrap();
    assert_so_many(&pool.stats(), 3, 1);
}

#[test]
fn a_subscriber_that_panics_at_the_end_of_a_span_costs_no_worker() {
    subscribe();
    let pool = threads::Pool::builder().capacity(1).build();
    let (gate, job) = gated();
    in_a_span(|| pool.submit(job)).unwrap();
    pool.submit_named("named", || ()).unwrap();
    pool.submit(|| ()).unwrap();
    drop(gate);
    pool.close(LONG).unwrap();
    assert_so_many(&pool.stats(), 3, 0);

    let pool = threads::FuncPool::builder()
        .capacity(1)
        .build(|job: Job| job());
    let (gate, job) = gated();
    in_a_span(|| pool.submit(job)).unwrap();
    drop(gate);
    pool.close(LONG).unwrap();
    assert_so_many(&pool.stats(), 1, 0);
}

#[tokio::test]
async fn a_subscriber_that_panics_at_the_end_of_a_span_costs_no_task() {
    subscribe();
    let pool = tasks::Pool::builder().capacity(1).build();
    let (gate, open) = oneshot::channel::<()>();
    let job = async { drop(open.await) };
    in_a_span(|| pool.try_submit(job)).unwrap();
    pool.submit_named("named", async {}).await.unwrap();
    pool.submit(async {}).await.unwrap();
    drop(gate);
    pool.close(LONG).await.unwrap();
    assert_so_many(&pool.stats(), 3, 0);
}
