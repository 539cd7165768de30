//! What the handle of a call is told.

use std::time::Instant;

use pool_worker::overload::{Class, Control, WhyUnserved};
use pool_worker::{JobError, JobFailure};

/// What became of a call, by its handle.
fn told(result: Result<u32, JobError>) -> Result<u32, Option<WhyUnserved>> {
    result.map_err(|error| match error.into_reason() {
        JobFailure::Unserved { why, .. } => Some(why),
        _ => None,
    })
}

fn of_calls() -> [Class; 2] {
    [Class::new(), Class::new().deadline(Instant::now())]
}

fn square(n: u32) -> u32 {
    assert_ne!(n, 666, "as intended");
    n * n
}

#[test]
fn a_handle_tells_what_became_of_its_call_on_threads() {
    let pool = pool_worker::threads::ControlledPool::builder()
        .capacity(1)
        .build_calls(Control::new(), square);
    let results = of_calls().map(|class| told(pool.call(class, 3).unwrap().wait()));
    assert_eq!(results, [Ok(9), Err(Some(WhyUnserved::Expired))]);
    let panicked = pool.call(Class::new(), 666).unwrap().wait();
    assert!(matches!(
        panicked.map_err(JobError::into_reason),
        Err(JobFailure::Panicked(_))
    ));
    pool.wait_idle();
    assert_eq!(pool.stats().classes[0].panicked, 1);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_handle_tells_what_became_of_its_call_on_tasks() {
    let pool = pool_worker::tasks::ControlledPool::builder()
        .capacity(1)
        .build_calls(Control::new(), |n| async move { square(n) });
    let mut results = Vec::new();
    for class in of_calls() {
        results.push(told(pool.call(class, 3).unwrap().await));
    }
    assert_eq!(results, [Ok(9), Err(Some(WhyUnserved::Expired))]);
    let panicked = pool.call(Class::new(), 666).unwrap().await;
    assert!(matches!(
        panicked.map_err(JobError::into_reason),
        Err(JobFailure::Panicked(_))
    ));
    pool.wait_idle().await;
    assert_eq!(pool.stats().classes[0].panicked, 1);
}

#[test]
fn a_handle_is_told_that_its_call_expired_though_no_worker_comes() {
    let pool = pool_worker::threads::ControlledPool::builder().build_calls(Control::new(), square);
    pool.pause();
    let call = pool.call(of_calls()[1], 3).unwrap();
    assert_eq!(told(call.wait()), Err(Some(WhyUnserved::Expired)));
}
