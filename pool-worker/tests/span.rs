//! The submitter's span goes with the job.
#![cfg(all(feature = "tokio", feature = "tracing", not(loom_models)))]

use std::pin::Pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, Once};

use pool_worker::overload::{Class, Control, Unserved};
use pool_worker::{tasks, threads};
use tracing::{Span, info_span};

/// The subscriber of the process, for all tests: each goes on only once it is there.
fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    });
}

#[test]
fn a_job_runs_in_the_span_it_was_submitted_in() {
    subscribe();
    let (tell, told) = channel();

    let pool = threads::FuncPool::new(1, {
        let tell = tell.clone();
        move |()| tell.send(Span::current().id()).unwrap()
    });
    let span = info_span!("request");
    span.in_scope(|| pool.submit(())).unwrap();
    assert!(span.id().is_some());
    assert_eq!(told.recv().unwrap(), span.id());
    pool.submit(()).unwrap();
    assert_eq!(told.recv().unwrap(), None);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    let pool = tasks::Pool::new(1);
    let job = async move {
        tokio::task::yield_now().await;
        tell.send(Span::current().id()).unwrap();
    };
    let span = info_span!("request");
    span.in_scope(|| pool.try_submit(job)).unwrap();
    assert_eq!(told.recv().unwrap(), span.id());
}

/// Whoever's token a worker has, the job that it gets is in its own span.
macro_rules! a_job_that_overtakes_runs_in_its_own_span {
    ($engine:ident, $run:expr) => {
        subscribe();
        let (tell, told) = channel();
        let (go, held) = channel::<()>();
        let held = Mutex::new(held);
        let run = move |name: &'static str| {
            tell.send((name, Span::current().id())).unwrap();
            if name == "first" {
                let _ = held.lock().unwrap().recv();
            }
        };
        let pool = $engine::ControlledPool::builder().capacity(1).build(
            Control::new(),
            $run(run),
            |_: Unserved<&str>| unreachable!("all are run"),
        );
        pool.submit(Class::new(), "first").unwrap();
        assert_eq!(told.recv().unwrap(), ("first", None));
        let span = info_span!("request");
        let patient = Class::new().priority(1);
        span.in_scope(|| pool.submit(patient, "patient")).unwrap();
        pool.submit(Class::new(), "urgent").unwrap();
        drop(go);
        assert_eq!(told.recv().unwrap(), ("urgent", None));
        assert_eq!(told.recv().unwrap(), ("patient", span.id()));
    };
}

#[test]
fn a_job_that_overtakes_runs_in_its_own_span_on_threads() {
    a_job_that_overtakes_runs_in_its_own_span!(threads, std::convert::identity);
}

#[test]
fn a_job_that_overtakes_runs_in_its_own_span_on_tasks() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _in_runtime = runtime.enter();
    a_job_that_overtakes_runs_in_its_own_span!(tasks, in_a_future);
}

type Ran = Pin<Box<dyn Future<Output = ()> + Send>>;

fn in_a_future<F>(run: F) -> impl Fn(&'static str) -> Ran
where
    F: Fn(&'static str) + Send + Sync + 'static,
{
    let run = Arc::new(run);
    move |name| {
        let run = Arc::clone(&run);
        Box::pin(async move { run(name) })
    }
}
