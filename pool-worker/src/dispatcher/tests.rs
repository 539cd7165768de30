//! What no thread or runtime lets happen on demand: here the test is the engine, and each
//! worker takes the step that it is told to.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use super::{Dispatcher, NotLaunched, Rest};
use crate::options::{Builder, Options};
use crate::submit::Submission;
use crate::threads::FuncPool;
use crate::wait::End;
use crate::worker::Worker;

type Made = Arc<Mutex<Vec<Worker<u32>>>>;

fn by_hand(capacity: usize, queue: usize) -> (Arc<Dispatcher<u32>>, Made) {
    let builder = Builder::<FuncPool<u32>>::new();
    let options = Options {
        on_threads: true,
        ..builder.capacity(capacity).queue(queue).options
    };
    let made = Made::default();
    // Once a test is over, the system refuses: workers own the pool, which owns this.
    let workers = Arc::downgrade(&made);
    let launch = Box::new(move |worker| match workers.upgrade() {
        Some(workers) => {
            workers.lock().unwrap().push(worker);
            Ok(())
        }
        None => Err(NotLaunched(io::Error::other("the test is over"))),
    });
    (Dispatcher::new(options, launch), made)
}

fn take(made: &Made) -> Vec<Worker<u32>> {
    std::mem::take(&mut made.lock().unwrap())
}

/// It looks for a job, finds none, and sleeps.
fn sleep(worker: &mut Worker<u32>) {
    assert!(!worker.next(&mut None));
    assert!(matches!(worker.rest(Waker::noop()), Rest::Sleep));
}

#[test]
fn a_worker_that_expires_makes_good_for_the_surplus_before_it_is_gone() {
    let (pool, made) = by_hand(3, 1);
    assert!(pool.prestart(3).is_ok());
    let mut workers = take(&made);
    workers.iter_mut().for_each(sleep);
    let [bottom, middle, top] = &mut workers[..] else {
        panic!("three workers")
    };
    pool.set_capacity(2);
    assert!(bottom.is_roused(), "it is the one too many");
    assert!(pool.offer(7).is_ok());
    assert!(top.is_roused());
    let mut hand = None;
    assert!(!top.next(&mut hand), "jobs are held while one is too many");
    // The time of another one is over by now: that one goes, if slowly.
    assert!(middle.expire());
    assert!(top.next(&mut hand), "nobody is too many any more");
    assert_eq!(hand, Some(7));
    // So the first one stays, and those are two.
    sleep(bottom);
    assert!(!bottom.expire() || pool.stats().workers == 3);
    top.begin();
    top.ended(Ok(crate::outcome::Outcome::Ran));
    workers.drain(..).for_each(drop);
    assert_eq!(pool.stats().workers, 0);
}

#[test]
fn a_job_whose_roused_worker_retires_is_taken_by_the_one_that_stays() {
    let (pool, made) = by_hand(2, 4);
    assert!(pool.prestart(2).is_ok());
    let mut workers = take(&made);
    workers.iter_mut().for_each(sleep);
    assert!(pool.offer(7).is_ok());
    let mut top = workers.pop().unwrap();
    assert!(top.is_roused());
    let mut other = workers.pop().unwrap();
    // Too many from now on: the one that sleeps is roused to go, but this one is quicker.
    pool.set_capacity(1);
    assert!(!top.next(&mut None));
    assert!(matches!(top.rest(Waker::noop()), Rest::Retire));
    assert!(other.is_roused());
    assert!(other.next(&mut None), "the job has its worker");
    other.begin();
    other.ended(Ok(crate::outcome::Outcome::Ran));
    drop(top);
    assert_eq!(pool.stats().workers, 1);
    assert!(!other.next(&mut None));
    assert_eq!(pool.stats().ran, 1);
}

#[test]
fn who_calls_a_worker_late_makes_none_for_a_pool_that_has_drained() {
    let (pool, made) = by_hand(2, 1);
    assert!(pool.prestart(1).is_ok());
    let mut worker = take(&made).pop().unwrap();
    let Ok(accepted) = pool.enqueue(7) else {
        panic!("it has room")
    };
    assert!(
        accepted.wake,
        "its submitter is to call one, and is in no hurry"
    );
    assert!(worker.next(&mut None));
    worker.begin();
    worker.ended(Ok(crate::outcome::Outcome::Ran));
    assert!(!worker.next(&mut None));
    pool.close().unwrap();
    assert!(matches!(worker.rest(Waker::noop()), Rest::Leave));
    drop(worker);
    assert!(
        pool.poll_end(End::Drained, &mut None, Waker::noop())
            .is_ready()
    );
    pool.rouse_one();
    assert_eq!(
        pool.stats().workers,
        0,
        "all of them have left, as the close said"
    );
    // Nor for one that is closed while it opens.
    assert!(pool.prestart(1).is_ok());
    assert_eq!(pool.stats().workers, 0);
    pool.reopen().unwrap();
    assert_eq!(take(&made).len(), 1);
}

/// Whoever lingered before it joined the line tells when it began to wait.
#[test]
fn the_time_that_a_submitter_lingered_is_a_part_of_the_time_it_was_blocked() {
    let (pool, _made) = by_hand(1, 0);
    assert!(pool.offer(1).is_ok());
    let lingered = Duration::from_millis(2);
    let since = pool.clock.now();
    while pool.clock.time(pool.clock.now() - since) < lingered {
        std::thread::yield_now();
    }
    let mut submission = pin!(Submission::since(&pool, 2, since));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(submission.as_mut().poll(&mut cx).is_pending());
    assert_eq!(pool.blocked().count, 0, "it still is");
    submission.set(Submission::new(&pool, 3));
    let blocked = pool.blocked();
    assert_eq!(blocked.count, 1);
    assert!(blocked.max >= lingered * 99 / 100, "{:?}", blocked.max);
}
