//! A runtime that goes away under its pool.

use std::sync::mpsc::channel;
use std::time::Instant;

use pool_worker::overload::{Class, Control, WhyUnserved};
use pool_worker::tasks::ControlledPool;
use pool_worker::{JobError, JobFailure};
use tokio::runtime::Runtime;

use crate::harness::*;

#[test]
fn what_a_runtime_left_is_given_back_at_once() {
    let (mut on, events, starts) = tasks::on(1, 10, Control::new());
    let (first, go) = held(0);
    on.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    on.submit(Class::new(), job(1)).unwrap();
    on.pause();
    drop(go);
    on.runtime.take().unwrap().shutdown_timeout(LONG);
    // The pool is still there.
    assert_eq!(events.all(), [Ran(0), Back(1, WhyUnserved::Dropped)]);
    let stats = on.stats();
    assert_eq!((stats.total.cancelled, stats.total.queued), (1, 0));
    assert_eq!(stats.classes[0].dropped, 1);
}

#[test]
fn who_gets_a_job_back_is_inside_of_the_runtime_wherever_that_is() {
    let runtime = Runtime::new().unwrap();
    let (tell, told) = channel();
    let pool = ControlledPool::builder()
        .runtime(runtime.handle().clone())
        .build(
            Control::new(),
            |()| async {},
            move |_unserved| {
                let tell = tell.clone();
                tokio::spawn(async move { tell.send(()).unwrap() });
            },
        );
    // By the alarm, which has a thread of its own.
    pool.pause();
    let late = Class::new().deadline(Instant::now());
    pool.submit(late, ()).unwrap();
    told.recv_timeout(LONG).unwrap();
}

#[test]
fn calls_are_told_that_their_runtime_went() {
    let runtime = Runtime::new().unwrap();
    let pool = ControlledPool::builder()
        .capacity(1)
        .runtime(runtime.handle().clone())
        .build_calls(Control::new(), |()| std::future::pending::<()>());
    let calls = [(); 3].map(|()| pool.call(Class::new(), ()).unwrap());
    runtime.shutdown_timeout(LONG);
    let results = calls.map(|call| call.wait().unwrap_err());
    // The first ran, or was about to.
    for result in &results[1..] {
        let why = WhyUnserved::Dropped;
        assert!(matches!(result.reason(), JobFailure::Unserved { why: told, .. } if *told == why));
    }
}

#[test]
fn a_runtime_that_went_before_the_first_job_gives_it_back() {
    let runtime = Runtime::new().unwrap();
    let pool = ControlledPool::builder()
        .capacity(1)
        .runtime(runtime.handle().clone())
        .build_calls(Control::new(), |()| async {});
    runtime.shutdown_timeout(LONG);
    let told = pool.call(Class::new(), ()).unwrap().wait();
    let why = WhyUnserved::Dropped;
    assert!(
        matches!(told.map_err(JobError::into_reason), Err(JobFailure::Unserved { why: told, .. }) if told == why)
    );
    assert!(pool.call(Class::new(), ()).is_err(), "it is closed");
}
