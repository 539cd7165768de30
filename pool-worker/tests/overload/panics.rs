//! Panics of who gets a job back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Codel, Control, Unserved};
use pool_worker::{JobPanic, threads};

use crate::harness::LONG;

type Pool = threads::ControlledPool<u32>;

/// A paused pool of one worker, which serves those that are told to the first receiver,
/// and panics for each that it gives back; the second receiver is told of that.
fn panics(control: Control, queue: usize) -> (Pool, Receiver<u32>, Receiver<String>) {
    let (serve, served) = channel();
    let (tell, told): (Sender<String>, _) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let handler = move |panic: JobPanic<'_>| {
        let message = format!("{}: {}", panic.pool, panic.message().unwrap());
        tell.lock().unwrap().send(message).unwrap();
    };
    let pool = threads::ControlledPool::builder()
        .name("api")
        .capacity(1)
        .queue(queue)
        .panic_handler(handler)
        .build(
            control,
            move |job: u32| serve.send(job).unwrap(),
            |back: Unserved<u32>| panic!("{} was {}", back.job, back.why),
        );
    pool.pause();
    (pool, served, told)
}

#[test]
fn on_the_alarm_s_thread_it_is_told_to_the_handler() {
    let (pool, served, told) = panics(Control::new(), 10);
    for job in 1..=2 {
        let late = Class::new().deadline(Instant::now());
        pool.submit(late, job).unwrap();
        let message = told.recv_timeout(LONG).unwrap();
        assert_eq!(message, format!("api: {job} was expired"));
    }
    pool.submit(Class::new(), 3).unwrap();
    pool.close(LONG).unwrap();
    assert!(served.try_iter().eq([3]));
    assert_eq!(pool.stats().total.panicked, 0, "no job did");
}

#[test]
fn where_one_submits_it_is_told_to_the_handler() {
    let (pool, served, told) = panics(Control::new(), 1);
    pool.submit(Class::new().priority(5), 1).unwrap();
    pool.submit(Class::new().priority(5), 2).unwrap();
    pool.submit(Class::new(), 3).unwrap();
    assert_eq!(
        told.try_recv().unwrap(),
        "api: 2 was displaced to make room"
    );
    pool.close(LONG).unwrap();
    assert!(served.try_iter().eq([3, 1]));
}

#[test]
fn on_a_worker_it_is_told_to_the_handler_and_costs_no_job() {
    // Any wait is too long; an interval is much shorter than what waits.
    let codel = Codel::new(Duration::ZERO, Duration::from_micros(100));
    let (pool, served, told) = panics(Control::new().codel(codel), 200);
    let mut submitted = 0;
    while pool.stats().total.shed == 0 {
        pool.pause();
        for _ in 0..100 {
            pool.submit(Class::new(), submitted).unwrap();
            submitted += 1;
        }
        pool.resume();
        pool.wait_idle();
    }
    pool.close(LONG).unwrap();
    let (served, told) = (served.try_iter().count(), told.try_iter().count());
    assert_eq!(served + told, submitted as usize);
    let total = pool.stats().total;
    assert_eq!((total.shed, total.panicked), (told as u64, 0));
}
