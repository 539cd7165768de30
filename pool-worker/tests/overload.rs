//! Pools that decide by delay, on real workers of both engines. What the policies do
//! over time is tested in virtual time, in `src/overload`.
#![cfg(not(loom_models))]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_worker::overload::{
    Class, Codel, Control, ControlStats, Dagor, Elastic, Level, Unserved, Vegas, WhyUnserved,
};
use pool_worker::{JobError, Reason};

const LONG: Duration = Duration::from_secs(60);

/// A job that tells that it started, and may wait to be let go.
#[derive(Debug)]
struct Job {
    name: u32,
    go: Option<Receiver<()>>,
}

fn job(name: u32) -> Job {
    Job { name, go: None }
}

/// A job that runs until the sender is used or dropped.
fn held(name: u32) -> (Job, Sender<()>) {
    let (go, held) = channel();
    let go_on = Some(held);
    (Job { name, go: go_on }, go)
}

/// What became of jobs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Ran(u32),
    Unserved(u32, WhyUnserved),
}

use Event::{Ran, Unserved as Back};

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    fn run(&self, job: Job, started: &Sender<u32>) {
        self.0.lock().unwrap().push(Ran(job.name));
        let _ = started.send(job.name);
        if let Some(go) = job.go {
            let _ = go.recv();
        }
        assert_ne!(job.name, 666, "as intended");
    }

    fn back(&self, unserved: &Unserved<Job>) {
        let event = Back(unserved.job.name, unserved.why);
        self.0.lock().unwrap().push(event);
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

/// A pool of one of the engines.
trait Pool: Sync {
    fn submit(&self, class: Class, job: Job) -> Result<(), (Reason, Job)>;
    fn stats(&self) -> ControlStats;
    fn level(&self) -> Level;
    fn pause(&self);
    fn resume(&self);
    fn wait_idle(&self);
    fn close(&self);
}

/// A pool, what became of its jobs, and which have started.
type Built = (Box<dyn Pool>, Events, Receiver<u32>);

mod threads {
    use super::*;
    use pool_worker::threads::ControlledPool;

    impl Pool for ControlledPool<Job> {
        fn submit(&self, class: Class, job: Job) -> Result<(), (Reason, Job)> {
            let submitted = ControlledPool::submit(self, class, job);
            submitted.map_err(|error| (error.reason(), error.into_job()))
        }
        fn stats(&self) -> ControlStats {
            self.stats()
        }
        fn level(&self) -> Level {
            self.level()
        }
        fn pause(&self) {
            self.pause();
        }
        fn resume(&self) {
            self.resume();
        }
        fn wait_idle(&self) {
            self.wait_idle();
        }
        fn close(&self) {
            self.close(LONG).unwrap();
        }
    }

    pub fn build(capacity: usize, queue: usize, control: Control) -> Built {
        let events = Events::default();
        let (run, back) = (events.clone(), events.clone());
        let (started, starts) = channel();
        let pool = ControlledPool::builder()
            .capacity(capacity)
            .queue(queue)
            .build(
                control,
                move |job| run.run(job, &started),
                move |unserved| back.back(&unserved),
            );
        (Box::new(pool), events, starts)
    }
}

#[cfg(feature = "tokio")]
mod tasks {
    use super::*;
    use pool_worker::tasks::ControlledPool;
    use tokio::runtime::{Builder, Runtime};

    pub struct On {
        pub pool: ControlledPool<Job>,
        pub runtime: Option<Runtime>,
    }

    impl On {
        fn runtime(&self) -> &Runtime {
            self.runtime.as_ref().unwrap()
        }
    }

    impl Pool for On {
        fn submit(&self, class: Class, job: Job) -> Result<(), (Reason, Job)> {
            let submitted = self.pool.submit(class, job);
            submitted.map_err(|error| (error.reason(), error.into_job()))
        }
        fn stats(&self) -> ControlStats {
            self.pool.stats()
        }
        fn level(&self) -> Level {
            self.pool.level()
        }
        fn pause(&self) {
            self.pool.pause();
        }
        fn resume(&self) {
            self.pool.resume();
        }
        fn wait_idle(&self) {
            self.runtime().block_on(self.pool.wait_idle());
        }
        fn close(&self) {
            self.runtime().block_on(self.pool.close(LONG)).unwrap();
        }
    }

    pub fn on(capacity: usize, queue: usize, control: Control) -> (On, Events, Receiver<u32>) {
        // A thread for each of the jobs that wait to be let go.
        let runtime = Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap();
        let events = Events::default();
        let (run, back) = (events.clone(), events.clone());
        let (started, starts) = channel();
        let pool = ControlledPool::builder()
            .capacity(capacity)
            .queue(queue)
            .runtime(runtime.handle().clone())
            .build(
                control,
                move |job| {
                    let (run, started) = (run.clone(), started.clone());
                    async move { run.run(job, &started) }
                },
                move |unserved| back.back(&unserved),
            );
        let runtime = Some(runtime);
        (On { pool, runtime }, events, starts)
    }

    pub fn build(capacity: usize, queue: usize, control: Control) -> Built {
        let (on, events, starts) = on(capacity, queue, control);
        (Box::new(on), events, starts)
    }

    #[test]
    fn what_a_runtime_left_is_given_back_as_the_pool_goes() {
        let (mut on, events, starts) = on(1, 10, Control::new());
        let (first, go) = held(0);
        on.submit(Class::new(), first).unwrap();
        starts.recv().unwrap();
        on.submit(Class::new(), job(1)).unwrap();
        on.pause();
        drop(go);
        on.runtime.take().unwrap().shutdown_timeout(LONG);
        drop(on);
        assert_eq!(events.all(), [Ran(0), Back(1, WhyUnserved::Dropped)]);
    }
}

macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_threads {
            $(#[test] fn $test() { super::$test(super::threads::build) })*
        }
        #[cfg(feature = "tokio")]
        mod on_tasks {
            $(#[test] fn $test() { super::$test(super::tasks::build) })*
        }
    };
}

on_both! {
    the_urgent_overtake
    keys_take_turns
    what_nobody_waits_for_is_given_back
    what_there_is_no_room_for_is_refused
    a_closed_pool_refuses
    a_level_that_fell_refuses_the_less_urgent
    a_standing_queue_is_shed
    a_panic_costs_its_job_alone
    a_stalled_pool_grows
    a_limit_stays_within_its_bounds
    each_job_is_accounted_for_once
}

type Build = fn(usize, usize, Control) -> Built;

/// Submits jobs of these classes while the one worker is held, and lets it go.
fn order_of(build: Build, control: Control, classes: &[Class]) -> Vec<Event> {
    let (pool, events, starts) = build(1, 100, control);
    let (first, go) = held(1000);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    for (name, class) in (0..).zip(classes) {
        pool.submit(*class, job(name)).unwrap();
    }
    drop(go);
    pool.close();
    events.all().split_off(1)
}

fn the_urgent_overtake(build: Build) {
    let classes = [2, 0, 1, 0].map(|priority| Class::new().priority(priority));
    let order = order_of(build, Control::new(), &classes);
    assert_eq!(order, [Ran(1), Ran(3), Ran(2), Ran(0)]);
}

fn keys_take_turns(build: Build) {
    let classes = [7, 7, 7, 8].map(|key| Class::new().key(key));
    let order = order_of(build, Control::new().fair(), &classes);
    assert_eq!(order, [Ran(0), Ran(3), Ran(1), Ran(2)]);
}

fn what_nobody_waits_for_is_given_back(build: Build) {
    let now = Instant::now();
    let classes = [
        Class::new().deadline(now),
        Class::new().deadline(now + LONG),
    ];
    let order = order_of(build, Control::new(), &classes);
    assert_eq!(order, [Back(0, WhyUnserved::Expired), Ran(1)]);
}

fn what_there_is_no_room_for_is_refused(build: Build) {
    let (pool, events, starts) = build(1, 1, Control::new());
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    pool.submit(Class::new(), job(1)).unwrap();
    let refused = pool.submit(Class::new().priority(3), job(2));
    assert!(matches!(refused, Err((Reason::Full, job)) if job.name == 2));
    drop(go);
    pool.close();
    assert_eq!(events.all(), [Ran(0), Ran(1)]);
    let stats = pool.stats();
    assert_eq!(stats.classes[0].accepted, 2);
    assert_eq!((stats.classes[1].priority, stats.classes[1].full), (3, 1));
}

fn a_closed_pool_refuses(build: Build) {
    let (pool, events, _starts) = build(1, 1, Control::new());
    pool.close();
    let refused = pool.submit(Class::new(), job(1));
    assert!(matches!(refused, Err((Reason::Closed, job)) if job.name == 1));
    assert_eq!(events.all(), []);
}

fn a_level_that_fell_refuses_the_less_urgent(build: Build) {
    // Any wait is too long, and two jobs are a window.
    let dagor = Dagor::new(Duration::ZERO).window(LONG, 2);
    let (pool, _events, _starts) = build(1, 10, Control::new().dagor(dagor));
    let class = Class::new().priority(40).user(5);
    assert_eq!(pool.level(), Level::ALL);
    for name in 0..2 {
        pool.submit(class, job(name)).unwrap();
        pool.wait_idle();
    }
    let refused = pool.submit(class, job(2));
    assert!(matches!(refused, Err((Reason::Refused, job)) if job.name == 2));
    assert!(pool.level() < class.level());
    pool.submit(Class::new().priority(39), job(3)).unwrap();
    let stats = pool.stats();
    let refused = stats.classes.iter().find(|class| class.priority == 40);
    assert_eq!(refused.map(|class| class.refused), Some(1));
    pool.close();
}

fn a_standing_queue_is_shed(build: Build) {
    // Any wait is too long; an interval is much shorter than what waits.
    let codel = Codel::new(Duration::ZERO, Duration::from_micros(100));
    let (pool, events, _starts) = build(1, 10_000, Control::new().codel(codel));
    let mut submitted = 0;
    while pool.stats().classes.iter().all(|class| class.shed == 0) {
        pool.pause();
        for _ in 0..10_000 {
            pool.submit(Class::new(), job(submitted)).unwrap();
            submitted += 1;
        }
        pool.resume();
        pool.wait_idle();
    }
    let class = pool.stats().classes[0];
    assert_eq!(class.started + class.shed, u64::from(submitted));
    assert_eq!(class.unserved_delay.count, class.shed);
    let events = events.all();
    let shed = |event: &&Event| matches!(event, Back(_, WhyUnserved::Shed));
    assert_eq!(events.iter().filter(shed).count() as u64, class.shed);
    pool.close();
}

fn a_panic_costs_its_job_alone(build: Build) {
    let (pool, events, _starts) = build(1, 10, Control::new());
    pool.submit(Class::new(), job(666)).unwrap();
    pool.submit(Class::new(), job(1)).unwrap();
    pool.close();
    assert_eq!(events.all(), [Ran(666), Ran(1)]);
    assert_eq!(pool.stats().total.running, 0);
}

fn a_stalled_pool_grows(build: Build) {
    let elastic = Elastic::new(1, 3)
        .target(Duration::ZERO)
        .pace(Duration::ZERO);
    let (pool, _events, starts) = build(1, 10, Control::new().elastic(elastic));
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    assert_eq!(starts.recv(), Ok(0));
    // The one worker is busy; the second of these finds that the first waits, so
    // another worker is made for either of them.
    pool.submit(Class::new(), job(1)).unwrap();
    pool.submit(Class::new(), job(2)).unwrap();
    assert!(matches!(starts.recv(), Ok(1 | 2)), "beside the first");
    assert!((2..=3).contains(&pool.stats().total.capacity));
    drop(go);
    pool.close();
}

fn a_limit_stays_within_its_bounds(build: Build) {
    let (pool, events, _starts) = build(1, 10_000, Control::new().vegas(Vegas::new(2, 5)));
    for name in 0..2000 {
        pool.submit(Class::new(), job(name)).unwrap();
        assert!((2..=5).contains(&pool.stats().total.capacity));
    }
    pool.close();
    assert_eq!(events.all().len(), 2000);
}

fn each_job_is_accounted_for_once(build: Build) {
    let control = Control::new()
        .codel(Codel::new(Duration::ZERO, Duration::from_micros(50)))
        .dagor(Dagor::new(Duration::from_micros(10)).window(LONG, 100))
        .ageing(Duration::from_micros(20))
        .fair()
        .newest_first()
        .elastic(Elastic::new(1, 4).target(Duration::ZERO));
    let (pool, events, _starts) = build(2, 200, control);
    let mut refused = 0;
    std::thread::scope(|scope| {
        let (pool, refused) = (&*pool, &mut refused);
        let submitters: Vec<_> = (0..4)
            .map(|part| {
                scope.spawn(move || {
                    let submit = |nth: u32| {
                        let name = part * 1000 + nth;
                        let class = Class::new()
                            .priority((nth % 7) as u8)
                            .user(u64::from(nth * 31))
                            .key(u64::from(nth % 3))
                            .cost((nth % 4) as u8);
                        let soon = Instant::now() + Duration::from_micros(300);
                        let class = if nth.is_multiple_of(5) {
                            class.deadline(soon)
                        } else {
                            class
                        };
                        pool.submit(class, job(name)).is_err()
                    };
                    (0..1000).filter(|&nth| submit(nth)).count()
                })
            })
            .collect();
        for submitter in submitters {
            *refused += submitter.join().unwrap();
        }
    });
    pool.close();
    let mut names: Vec<_> = events
        .all()
        .iter()
        .map(|event| match event {
            Ran(name) | Back(name, _) => *name,
        })
        .collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "twice");
    assert_eq!(names.len() + refused, 4000);
    let stats = pool.stats();
    let sum = |count: fn(&pool_worker::overload::ClassStats) -> u64| -> usize {
        stats.classes.iter().map(count).sum::<u64>() as usize
    };
    assert_eq!(sum(|class| class.accepted), names.len());
    assert_eq!(sum(|class| class.refused + class.full), refused);
    assert_eq!(
        sum(|class| class.started + class.shed + class.expired),
        names.len()
    );
    assert_eq!((stats.total.queued, stats.total.running), (0, 0));
}

/// What became of a call, by its handle.
fn told(result: Result<u32, JobError>) -> Result<u32, Option<WhyUnserved>> {
    result.map_err(|error| match error {
        JobError::Unserved { why, .. } => Some(why),
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
    assert!(matches!(panicked, Err(JobError::Panicked(_))));
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
    assert!(matches!(panicked, Err(JobError::Panicked(_))));
}
