//! A controlled pool of either engine, its jobs, and what became of them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Control, ControlStats, Level, Unserved, WhyUnserved};
use pool_worker::{DelaySnapshot, ReopenError, SubmitError, Window};

pub const LONG: Duration = Duration::from_secs(60);

/// A job that tells that it started, and may wait to be let go.
#[derive(Debug)]
pub struct Job {
    pub name: u32,
    go: Option<Receiver<()>>,
}

pub fn job(name: u32) -> Job {
    Job { name, go: None }
}

/// A job that runs until the sender is used or dropped.
pub fn held(name: u32) -> (Job, Sender<()>) {
    let (go, held) = channel();
    let go_on = Some(held);
    (Job { name, go: go_on }, go)
}

/// What became of jobs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Ran(u32),
    Unserved(u32, WhyUnserved),
}

pub use Event::{Ran, Unserved as Back};

#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    pub fn run(&self, job: Job, started: &Sender<u32>) {
        self.0.lock().unwrap().push(Ran(job.name));
        let _ = started.send(job.name);
        if let Some(go) = job.go {
            let _ = go.recv();
        }
        assert_ne!(job.name, 666, "as intended");
    }

    pub fn back(&self, unserved: &Unserved<Job>) {
        let event = Back(unserved.job.name, unserved.why);
        self.0.lock().unwrap().push(event);
        assert_ne!(unserved.job.name, 666, "as intended");
    }

    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// All, once there are so many.
    pub fn wait_for(&self, count: usize) -> Vec<Event> {
        let patience = Instant::now() + LONG;
        loop {
            let all = self.all();
            if all.len() >= count {
                return all;
            }
            assert!(Instant::now() < patience, "no more than {all:?}");
            std::thread::yield_now();
        }
    }
}

/// A pool of one of the engines.
pub trait Pool: Sync {
    fn submit(&self, class: Class, job: Job) -> Result<(), SubmitError<Job>>;
    fn stats(&self) -> ControlStats;
    fn level(&self) -> Level;
    fn delay(&self) -> DelaySnapshot;
    fn run_time(&self) -> DelaySnapshot;
    fn oldest_waiting(&self) -> Option<Duration>;
    fn window(&self, length: Duration) -> Window;
    fn reopen(&self) -> Result<(), ReopenError>;
    fn set_capacity(&self, capacity: usize);
    fn pause(&self);
    fn resume(&self);
    fn wait_idle(&self);
    fn close(&self);
}

/// A pool, what became of its jobs, and which have started.
pub type Built = (Box<dyn Pool>, Events, Receiver<u32>);

pub mod threads {
    use super::*;
    use pool_worker::threads::ControlledPool;

    impl Pool for ControlledPool<Job> {
        fn submit(&self, class: Class, job: Job) -> Result<(), SubmitError<Job>> {
            ControlledPool::submit(self, class, job)
        }
        fn stats(&self) -> ControlStats {
            self.stats()
        }
        fn level(&self) -> Level {
            self.level()
        }
        fn delay(&self) -> DelaySnapshot {
            self.delay()
        }
        fn run_time(&self) -> DelaySnapshot {
            self.run_time()
        }
        fn oldest_waiting(&self) -> Option<Duration> {
            self.oldest_waiting()
        }
        fn window(&self, length: Duration) -> Window {
            self.window(length)
        }
        fn reopen(&self) -> Result<(), ReopenError> {
            self.reopen()
        }
        fn set_capacity(&self, capacity: usize) {
            self.set_capacity(capacity);
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
pub mod tasks {
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
        fn submit(&self, class: Class, job: Job) -> Result<(), SubmitError<Job>> {
            self.pool.submit(class, job)
        }
        fn stats(&self) -> ControlStats {
            self.pool.stats()
        }
        fn level(&self) -> Level {
            self.pool.level()
        }
        fn delay(&self) -> DelaySnapshot {
            self.pool.delay()
        }
        fn run_time(&self) -> DelaySnapshot {
            self.pool.run_time()
        }
        fn oldest_waiting(&self) -> Option<Duration> {
            self.pool.oldest_waiting()
        }
        fn window(&self, length: Duration) -> Window {
            self.pool.window(length)
        }
        fn reopen(&self) -> Result<(), ReopenError> {
            self.pool.reopen()
        }
        fn set_capacity(&self, capacity: usize) {
            self.pool.set_capacity(capacity);
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
}

pub type Build = fn(usize, usize, Control) -> Built;

/// The tests of a module, on both engines.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_threads {
            $(#[test] fn $test() { super::$test(crate::harness::threads::build) })*
        }
        #[cfg(feature = "tokio")]
        mod on_tasks {
            $(#[test] fn $test() { super::$test(crate::harness::tasks::build) })*
        }
    };
}
