//! A model of how jobs and tokens of a controlled pool stay together.
#![cfg(loom_models)]

use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use pool_worker::overload::{Class, Control};
use pool_worker::threads::ControlledPool;

/// Rules out that a worker with a token finds no job because its submitter has yet
/// to put it down: that job would wait for a token that never comes, which loom
/// reports as a deadlock. Fails when the token is sent before the lock is taken.
#[test]
fn submit_against_a_worker_with_a_token() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(|| {
        let ran = Arc::new((Mutex::new(0), Condvar::new()));
        let tally = Arc::clone(&ran);
        let pool = ControlledPool::builder().capacity(1).queue(2).build(
            Control::new(),
            move |one: usize| {
                *tally.0.lock().unwrap() += one;
                tally.1.notify_all();
            },
            |_unserved| unreachable!("nothing is shed, and none has a deadline"),
        );
        let pool = Arc::new(pool);
        let other = thread::spawn({
            let pool = Arc::clone(&pool);
            move || pool.submit(Class::new().priority(1), 1).unwrap()
        });
        pool.submit(Class::new(), 1).unwrap();
        let mut count = ran.0.lock().unwrap();
        while *count < 2 {
            count = ran.1.wait(count).unwrap();
        }
        drop(count);
        other.join().unwrap();
        pool.close(Duration::from_secs(1_000_000)).unwrap();
    });
}
