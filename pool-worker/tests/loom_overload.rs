//! Models of how jobs and tokens of a controlled pool stay together, and of its alarm.
#![cfg(loom_models)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::sync::{Condvar, Mutex};
use loom::thread;
use pool_worker::overload::{Class, Control};
use pool_worker::threads::ControlledPool;

mod tally;

use tally::{LONG, Tally, model};

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

/// Rules out two things. That the alarm goes to sleep until a later deadline, or for ever,
/// just as somebody submits what expires earlier: the owner would never be told, as the
/// pool is paused and nobody else comes. And that it sleeps on when its pool is gone, which
/// loom reports as a deadlock. Fails when a submitter wakes the alarm before it has the
/// desk's lock, and when the end of the desk does not wake it.
#[test]
fn deadline_against_an_alarm_that_goes_to_sleep() {
    model(3, || {
        let (ran, told) = (Tally::new(), Tally::new());
        let (runs, tells) = (Arc::clone(&ran), Arc::clone(&told));
        let pool = ControlledPool::builder().capacity(1).queue(2).build(
            Control::new(),
            move |()| runs.add(),
            move |_unserved| tells.add(),
        );
        pool.pause();
        let in_time = Class::new().deadline(Instant::now() + LONG);
        pool.submit(in_time, ()).unwrap();
        let late = Class::new().deadline(Instant::now());
        pool.submit(late, ()).unwrap();
        told.wait_for(1);
        drop(pool);
        assert_eq!((ran.get(), told.get()), (1, 1));
    });
}

/// Rules out that the pool is idle, as the worker has found nothing to do for the token of
/// a job that has expired, while the alarm has yet to tell the job's owner. Fails when the
/// alarm does not hold up the end, and when it tells nobody that it no longer does.
#[test]
fn give_back_against_wait_idle() {
    model(2, || {
        let told = Tally::new();
        let tells = Arc::clone(&told);
        let pool = ControlledPool::builder().capacity(1).queue(2).build(
            Control::new(),
            |()| unreachable!("it has expired"),
            move |_unserved| tells.add(),
        );
        let late = Class::new().deadline(Instant::now());
        pool.submit(late, ()).unwrap();
        pool.wait_idle();
        assert_eq!(told.get(), 1);
    });
}
