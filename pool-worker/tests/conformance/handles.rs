//! Jobs with a handle, with a name, and with both.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use pool_worker::{JobError, JobFailure};

use crate::harness::{LONG, Options, gated, soon, until};
use crate::spawning::Spawning;

over_pools_with_handles! {
    a_handle_gives_the_result,
    a_handle_is_waited_for_up_to_a_limit_and_then_again,
    a_job_that_is_cancelled_before_its_start_never_runs_and_that_is_told_at_once,
    a_displaced_job_tells_its_handle_and_its_wait_is_recorded,
    displaced_jobs_that_panic_as_they_drop_cost_the_new_one_nothing,
    a_job_with_a_handle_may_have_a_name,
    the_panic_of_a_named_job_is_told_with_its_name,
    a_named_job_that_is_refused_comes_back_and_its_error_has_the_name,
}

fn a_handle_gives_the_result<P: Spawning>() {
    let pool = P::new(2, 8);
    let handles: Vec<_> = (0..50u64).map(|n| pool.spawn(move || n * n)).collect();
    let squares = handles.into_iter().map(|handle| handle.wait().unwrap());
    assert_eq!(squares.sum::<u64>(), 40_425);
    pool.close(LONG).unwrap();
}

fn a_handle_is_waited_for_up_to_a_limit_and_then_again<P: Spawning>() {
    let pool = P::new(1, 1);
    let (gate, job) = gated();
    let mut handle = pool.spawn(move || {
        job();
        7
    });
    for limit in [Duration::ZERO, Duration::from_millis(1)] {
        assert!(handle.wait_timeout(limit).is_none());
    }
    drop(gate);
    assert_eq!(handle.wait_timeout(LONG).unwrap().unwrap(), 7);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 1);
}

fn a_job_that_is_cancelled_before_its_start_never_runs_and_that_is_told_at_once<P: Spawning>() {
    let pool = P::new(1, 2);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let handle = pool.spawn(move || drop(inside));
    assert!(handle.cancel());
    assert!(handle.cancel(), "it stays called off");
    assert!(handle.is_finished());
    // Though the one worker is stalled.
    assert!(matches!(
        handle.wait().map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().cancelled, pool.stats().ran), (1, 1));
    assert_eq!(Arc::strong_count(&held), 1);
    // It waited, and did not run.
    assert_eq!((pool.delay().count, pool.run_time().count), (2, 1));
}

fn a_displaced_job_tells_its_handle_and_its_wait_is_recorded<P: Spawning>() {
    let pool = P::new(1, 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let old = pool.spawn(|| 1);
    let age = pool.oldest_waiting().unwrap();
    assert_eq!(pool.submit_displacing(Box::new(|| ())).unwrap(), 1);
    assert!(old.is_finished());
    assert!(!old.cancel(), "it is over");
    assert!(matches!(
        old.wait().map_err(JobError::into_reason),
        Err(JobFailure::Displaced)
    ));
    assert_eq!(pool.stats().displaced, 1);
    until(|| pool.delay().count == 2);
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!((pool.delay().count, pool.run_time().count), (3, 2));
    assert!(pool.delay().max >= age * 99 / 100);
    assert_eq!((pool.stats().ran, pool.stats().displaced), (2, 1));
}

/// Two in one call: a second panic on top of the first would end the process.
fn displaced_jobs_that_panic_as_they_drop_cost_the_new_one_nothing<P: Spawning>() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as intended");
        }
    }

    let pool = P::new(2, 1);
    pool.pause();
    let old = [Bomb, Bomb].map(|bomb| pool.spawn(move || std::mem::forget(bomb)));
    pool.submit(Box::new(|| ())).unwrap();
    pool.set_capacity(1);
    assert_eq!(pool.submit_displacing(Box::new(|| ())).unwrap(), 2);
    for handle in old {
        assert!(matches!(
            handle.wait().map_err(JobError::into_reason),
            Err(JobFailure::Displaced)
        ));
    }
    pool.resume();
    pool.close(LONG).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.ran, stats.displaced, stats.panicked), (2, 2, 0));
}

fn a_job_with_a_handle_may_have_a_name<P: Spawning>() {
    let (tell, told) = channel();
    let pool = P::build(Options {
        panic_handler: Arc::new(move |panic| {
            tell.send(panic.job.map(str::to_owned)).unwrap();
        }),
        ..Options::new(1, 1)
    });
    assert_eq!(pool.spawn_named("count", || 7).wait().unwrap(), 7);
    let panics = pool.spawn_named("fail", || panic!("as intended"));
    let panicked: Result<(), _> = panics.wait();
    let error = panicked.as_ref().unwrap_err();
    assert_eq!((error.pool(), error.job()), ("suite", Some("fail")));
    assert_eq!(
        error.to_string(),
        r#"job "fail" of pool "suite" panicked: as intended"#
    );
    assert!(matches!(
        panicked.map_err(JobError::into_reason),
        Err(JobFailure::Panicked(_))
    ));
    assert!(told.try_recv().is_err(), "the handle was told");
    // With nobody to tell, the handler is told, with the name.
    let (gate, closed) = channel::<()>();
    drop(pool.spawn_named("alone", move || {
        closed.recv().unwrap_err();
        panic!("as intended");
    }));
    drop(gate);
    assert_eq!(soon(&told).as_deref(), Some("alone"));
    pool.wait_idle();
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let displaced = pool.spawn_named("old", || ());
    assert_eq!(pool.submit_displacing(Box::new(|| ())).unwrap(), 1);
    assert!(matches!(
        displaced.wait().map_err(JobError::into_reason),
        Err(JobFailure::Displaced)
    ));
    drop(gate);
    pool.close(LONG).unwrap();
}

fn the_panic_of_a_named_job_is_told_with_its_name<P: Spawning>() {
    let (tell, told) = channel();
    let pool = P::build(Options {
        panic_handler: Arc::new(move |panic| {
            let names = (panic.pool.to_owned(), panic.job.map(str::to_owned));
            tell.send(names).unwrap();
        }),
        ..Options::new(1, 8)
    });
    pool.submit_named("shrink", Box::new(|| panic!("as intended")))
        .unwrap();
    pool.submit_named("grow", Box::new(|| ())).unwrap();
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    pool.close(LONG).unwrap();
    let told: Vec<_> = told.try_iter().collect();
    let shrink = ("suite".to_owned(), Some("shrink".to_owned()));
    assert_eq!(told, [shrink, ("suite".to_owned(), None)]);
}

fn a_named_job_that_is_refused_comes_back_and_its_error_has_the_name<P: Spawning>() {
    let pool = P::new(1, 0);
    pool.close(LONG).unwrap();
    let (ran, seen) = channel();
    let job = Box::new(move || ran.send(()).unwrap());
    let refused = pool.submit_named("late", job).unwrap_err();
    assert_eq!(refused.job_name.as_deref(), Some("late"));
    assert_eq!(
        pool.spawn_named_refused("later"),
        r#"job "later": pool "suite" is closed"#
    );
    let nameless = pool.try_submit(Box::new(|| ())).unwrap_err();
    assert_eq!(nameless.job_name, None);
    (refused.job)();
    soon(&seen);
}
