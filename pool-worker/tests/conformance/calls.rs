//! Function pools whose results are waited for: a function of tasks runs until it has
//! made its future, and that part is the job's as well.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::mpsc::channel;

use pool_worker::overload::{Class, Control};
use pool_worker::{Call, Handle, JobError, JobFailure, Stats, tasks, threads};

use crate::harness::{LONG, Options, Tasks, runtime, soon, until};

type Job = Box<dyn FnOnce() -> u64 + Send>;

trait Calling: Sized + 'static {
    fn build(options: Options) -> Self;
    /// Calls the function, which runs this before it returns whatever it returns.
    fn call(&self, job: Job) -> Handle<u64>;
    fn close(&self);
    fn stats(&self) -> Stats;
}

impl Calling for threads::FuncPool<Call<Job, u64>> {
    fn build(options: Options) -> Self {
        let builder = options.apply(threads::FuncPool::builder());
        builder.build_calls(|job: Job| job())
    }
    fn call(&self, job: Job) -> Handle<u64> {
        self.call(job).unwrap()
    }
    fn close(&self) {
        self.close(LONG).unwrap();
    }
    fn stats(&self) -> Stats {
        self.stats()
    }
}

impl Calling for threads::ControlledPool<Call<Job, u64>> {
    fn build(options: Options) -> Self {
        let builder = options.apply(threads::ControlledPool::builder());
        builder.build_calls(Control::new(), |job: Job| job())
    }
    fn call(&self, job: Job) -> Handle<u64> {
        self.call(Class::new(), job).unwrap()
    }
    fn close(&self) {
        self.close(LONG).unwrap();
    }
    fn stats(&self) -> Stats {
        self.stats().total
    }
}

fn started(job: Job) -> impl Future<Output = u64> + Send {
    let result = job();
    async move { result }
}

impl Calling for Tasks<tasks::FuncPool<Call<Job, u64>>> {
    fn build(options: Options) -> Self {
        let runtime = runtime(options.threads);
        let builder = options.apply(tasks::FuncPool::builder());
        Self {
            pool: builder
                .runtime(runtime.handle().clone())
                .build_calls(started),
            runtime: ManuallyDrop::new(runtime),
        }
    }
    fn call(&self, job: Job) -> Handle<u64> {
        self.pool.try_call(job).unwrap()
    }
    fn close(&self) {
        self.runtime.block_on(self.pool.close(LONG)).unwrap();
    }
    fn stats(&self) -> Stats {
        self.pool.stats()
    }
}

impl Calling for Tasks<tasks::ControlledPool<Call<Job, u64>>> {
    fn build(options: Options) -> Self {
        let runtime = runtime(options.threads);
        let builder = options.apply(tasks::ControlledPool::builder());
        let builder = builder.runtime(runtime.handle().clone());
        Self {
            pool: builder.build_calls(Control::new(), started),
            runtime: ManuallyDrop::new(runtime),
        }
    }
    fn call(&self, job: Job) -> Handle<u64> {
        self.pool.call(Class::new(), job).unwrap()
    }
    fn close(&self) {
        self.runtime.block_on(self.pool.close(LONG)).unwrap();
    }
    fn stats(&self) -> Stats {
        self.pool.stats().total
    }
}

macro_rules! over_pools_of_calls {
    ($($case:ident,)*) => {
        mod threads_func_pool {
            $(#[test] fn $case() { super::$case::<super::threads::FuncPool<_>>(); })*
        }
        mod threads_controlled_pool {
            $(#[test] fn $case() { super::$case::<super::threads::ControlledPool<_>>(); })*
        }
        mod tasks_func_pool {
            $(#[test] fn $case() {
                super::$case::<super::Tasks<super::tasks::FuncPool<_>>>();
            })*
        }
        mod tasks_controlled_pool {
            $(#[test] fn $case() {
                super::$case::<super::Tasks<super::tasks::ControlledPool<_>>>();
            })*
        }
    };
}

over_pools_of_calls! {
    a_call_gives_its_result,
    a_panic_of_the_function_goes_to_the_handle,
    a_panic_of_the_function_that_has_nobody_to_tell_goes_to_the_handler,
    a_call_that_is_cancelled_before_its_start_runs_no_part_of_the_function,
}

fn a_call_gives_its_result<P: Calling>() {
    let pool = P::build(Options::new(2, 8));
    let calls: Vec<_> = (0..8).map(|n| pool.call(Box::new(move || n * n))).collect();
    let squares = calls.into_iter().map(|call| call.wait().unwrap());
    assert_eq!(squares.sum::<u64>(), 140);
    pool.close();
}

fn a_panic_of_the_function_goes_to_the_handle<P: Calling>() {
    let (tell, told) = channel();
    let pool = P::build(Options {
        panic_handler: Arc::new(move |_| tell.send(()).unwrap()),
        ..Options::new(1, 1)
    });
    match pool.call(Box::new(|| panic!("as intended"))).wait() {
        Err(error) => {
            assert_eq!(error.message(), Some("as intended"));
            assert!(matches!(error.reason(), JobFailure::Panicked(_)));
        }
        Ok(result) => panic!("{result}"),
    }
    pool.close();
    assert!(told.try_recv().is_err(), "the handle was told");
    assert_eq!((pool.stats().panicked, pool.stats().ran), (1, 0));
}

fn a_panic_of_the_function_that_has_nobody_to_tell_goes_to_the_handler<P: Calling>() {
    let (tell, told) = channel();
    let pool = P::build(Options {
        panic_handler: Arc::new(move |panic| {
            tell.send(panic.message().map(str::to_owned)).unwrap();
        }),
        ..Options::new(1, 1)
    });
    let (gate, closed) = channel::<()>();
    drop(pool.call(Box::new(move || {
        closed.recv().unwrap_err();
        panic!("as intended");
    })));
    drop(gate);
    assert_eq!(soon(&told).as_deref(), Some("as intended"));
    pool.close();
    assert_eq!((pool.stats().panicked, pool.stats().ran), (1, 0));
}

fn a_call_that_is_cancelled_before_its_start_runs_no_part_of_the_function<P: Calling>() {
    let pool = P::build(Options::new(1, 2));
    let (gate, closed) = channel::<()>();
    let first = pool.call(Box::new(move || {
        closed.recv().unwrap_err();
        1
    }));
    until(|| pool.stats().running == 1);
    let (ran, seen) = channel::<()>();
    let second = pool.call(Box::new(move || {
        ran.send(()).unwrap();
        2
    }));
    assert!(second.cancel());
    drop(gate);
    assert_eq!(first.wait().unwrap(), 1);
    assert!(matches!(
        second.wait().map_err(JobError::into_reason),
        Err(JobFailure::Cancelled)
    ));
    pool.close();
    assert!(seen.recv().is_err(), "it ran");
    assert_eq!((pool.stats().cancelled, pool.stats().ran), (1, 1));
}
