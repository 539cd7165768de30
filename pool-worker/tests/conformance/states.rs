//! A state for each worker: made with its first job, dropped as it ends.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{CloseReason, ReopenReason, Stats, tasks, threads};

use crate::harness::{LONG, Options, Tasks, runtime, soon, until};

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

trait Stateful<S: Send + 'static>: Sized {
    /// Of one worker.
    fn build(make: impl Fn() -> S + Send + Sync + 'static) -> Self;
    fn submit(&self, job: Job<S>);
    fn wait_idle(&self);
    fn close(&self, limit: Duration) -> Result<(), CloseReason>;
    fn reopen(&self) -> Result<(), ReopenReason>;
    fn stats(&self) -> Stats;
}

impl<S: Send + 'static> Stateful<S> for threads::FuncPool<Job<S>> {
    fn build(make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let builder = Options::new(1, 8).apply(Self::builder());
        builder.build_with_state(make, |state, job| job(state))
    }
    fn submit(&self, job: Job<S>) {
        assert!(self.submit(job).is_ok());
    }
    fn wait_idle(&self) {
        self.wait_idle();
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        self.close(limit).map_err(|error| error.reason())
    }
    fn reopen(&self) -> Result<(), ReopenReason> {
        self.reopen().map_err(|error| error.reason())
    }
    fn stats(&self) -> Stats {
        self.stats()
    }
}

/// The state goes with the job, and comes back with its end.
async fn run<S>(mut state: S, job: Job<S>) -> S {
    tokio::task::yield_now().await;
    job(&mut state);
    state
}

impl<S: Send + 'static> Stateful<S> for Tasks<tasks::FuncPool<Job<S>>> {
    fn build(make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let runtime = runtime(2);
        let builder = Options::new(1, 8).apply(tasks::FuncPool::builder());
        let builder = builder.runtime(runtime.handle().clone());
        Self {
            pool: builder.build_with_state(make, run),
            runtime: ManuallyDrop::new(runtime),
        }
    }
    fn submit(&self, job: Job<S>) {
        assert!(self.pool.submit_blocking(job).is_ok());
    }
    fn wait_idle(&self) {
        self.runtime.block_on(self.pool.wait_idle());
    }
    fn close(&self, limit: Duration) -> Result<(), CloseReason> {
        let closed = self.runtime.block_on(self.pool.close(limit));
        closed.map_err(|error| error.reason())
    }
    fn reopen(&self) -> Result<(), ReopenReason> {
        self.pool.reopen().map_err(|error| error.reason())
    }
    fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

macro_rules! over_pools_with_a_state {
    ($($case:ident,)*) => {
        mod on_threads {
            $(#[test] fn $case() { super::$case::<super::threads::FuncPool<_>>(); })*
        }
        mod on_tasks {
            $(#[test] fn $case() {
                super::$case::<super::Tasks<super::tasks::FuncPool<_>>>();
            })*
        }
    };
}

over_pools_with_a_state! {
    a_state_is_made_once_a_worker_and_goes_from_job_to_job,
    a_state_whose_job_panicked_is_made_anew,
    a_state_that_cannot_be_made_costs_the_job_and_no_more,
    a_close_waits_for_the_drop_of_a_state,
    a_state_that_panics_as_it_drops_holds_no_close_up,
}

/// Adds this to the state and tells the sum; or panics, with 0.
fn add(n: u32, tell: &Sender<u32>) -> Job<u32> {
    let tell = tell.clone();
    Box::new(move |state| {
        assert!(n > 0, "as intended");
        *state += n;
        tell.send(*state).unwrap();
    })
}

fn a_state_is_made_once_a_worker_and_goes_from_job_to_job<P: Stateful<u32>>() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let pool = P::build(move || {
        count.fetch_add(1, SeqCst);
        0
    });
    let (tell, told) = channel();
    for n in [1, 2, 3] {
        pool.submit(add(n, &tell));
    }
    pool.close(LONG).unwrap();
    assert!(told.try_iter().eq([1, 3, 6]));
    assert_eq!(made.load(SeqCst), 1);
    // Another worker, another state.
    pool.reopen().unwrap();
    pool.submit(add(10, &tell));
    assert_eq!(soon(&told), 10);
    pool.close(LONG).unwrap();
}

fn a_state_whose_job_panicked_is_made_anew<P: Stateful<u32>>() {
    let pool = P::build(|| 0);
    let (tell, told) = channel();
    for n in [1, 2, 0, 4] {
        pool.submit(add(n, &tell));
    }
    pool.close(LONG).unwrap();
    assert!(told.try_iter().eq([1, 3, 4]));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

fn a_state_that_cannot_be_made_costs_the_job_and_no_more<P: Stateful<()>>() {
    let tries = AtomicUsize::new(0);
    let pool = P::build(move || assert!(tries.fetch_add(1, SeqCst) > 0, "as intended"));
    for _ in 0..3 {
        pool.submit(Box::new(|()| ()));
    }
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}

/// Says that it is dropped, and waits.
struct Slow(Sender<()>, Receiver<()>);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
        self.1.recv().unwrap_err();
    }
}

fn a_close_waits_for_the_drop_of_a_state<P: Stateful<Slow>>() {
    let ((dropping, dropped), (gate, closed)) = (channel(), channel::<()>());
    let state = Mutex::new(Some(Slow(dropping, closed)));
    let pool = P::build(move || state.lock().unwrap().take().unwrap());
    pool.submit(Box::new(|_| ()));
    pool.wait_idle();
    let late = pool.close(Duration::ZERO);
    assert_eq!(late, Err(CloseReason::Late { unfinished: 0 }));
    soon(&dropped);
    assert_eq!(pool.stats().workers, 1);
    assert_eq!(pool.reopen(), Err(ReopenReason::Draining));
    drop(gate);
    until(|| pool.stats().workers == 0);
}

/// Panics as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as intended");
    }
}

fn a_state_that_panics_as_it_drops_holds_no_close_up<P: Stateful<Bomb>>() {
    let pool = P::build(|| Bomb);
    pool.submit(Box::new(|_| ()));
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 1);
}
