//! The submitter's span goes with the job.
#![cfg(all(feature = "tokio", feature = "tracing", not(loom_models)))]

use std::sync::mpsc::channel;

use pool_worker::{tasks, threads};
use tracing::{Span, info_span};

#[test]
fn a_job_runs_in_the_span_it_was_submitted_in() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
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
