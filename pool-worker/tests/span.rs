//! The submitter's span goes with the job.
#![cfg(all(feature = "tokio", feature = "tracing", not(loom_models)))]

use std::sync::mpsc::channel;

use pool_worker::{tasks, threads};
use tracing::{Span, info_span};

#[test]
fn a_job_runs_in_the_span_it_was_submitted_in() {
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
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
#[test]
fn a_job_that_overtakes_runs_in_its_own_span() {
    use pool_worker::overload::{Class, Control, Unserved};
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let (tell, told) = channel();
    let (go, held) = channel::<()>();
    let held = std::sync::Mutex::new(held);
    let pool = threads::ControlledPool::builder().capacity(1).build(
        Control::new(),
        move |name: &'static str| {
            tell.send((name, Span::current().id())).unwrap();
            if name == "first" {
                let _ = held.lock().unwrap().recv();
            }
        },
        |_: Unserved<_>| unreachable!("all are run"),
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
}
