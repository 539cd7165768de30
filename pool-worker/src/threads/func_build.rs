//! How a function pool of threads is made: of a function, of one whose results are
//! waited for, or of one with a state for each worker.

use std::sync::Arc;

use super::{FuncPool, work};
use crate::call::Call;
use crate::dispatcher::{Dispatcher, NotLaunched};
use crate::error::BuildError;
use crate::options::Builder;
use crate::outcome::Outcome;
use crate::panic;
use crate::span::Carried;
use crate::worker::Worker;

impl<T: Send + 'static> Builder<FuncPool<T>> {
    /// The pool that runs this function.
    ///
    /// # Panics
    /// When the capacity is 0, when capacity and queue bound together are
    /// above 2^29, and when the system gives no thread for the first worker.
    pub fn build<F>(self, run: F) -> FuncPool<T>
    where
        F: Fn(T) + Send + Sync + 'static,
    {
        built(self.try_build(run))
    }

    /// As [`build`](Self::build), where a system that gives no thread is an error.
    ///
    /// # Errors
    /// When the system gives no thread for the first worker. Further ones that were to be
    /// [made with the pool](Self::prestart) and are not given are made as jobs come.
    ///
    /// # Panics
    /// When the capacity is 0, and when capacity and queue bound together are
    /// above 2^29.
    pub fn try_build<F>(self, run: F) -> Result<FuncPool<T>, BuildError>
    where
        F: Fn(T) + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let here = Arc::clone(&run);
        let run = move |hand: &mut Option<Carried<T>>| {
            let job = hand.take().expect("a job was taken");
            job.run(&*run);
            Outcome::Ran
        };
        self.build_with(run, Box::new(move |job| here(job)))
    }

    /// The pool that runs this function, whose results its callers wait for:
    /// see [`call`](FuncPool::call).
    ///
    /// # Panics
    /// As [`build`](Self::build).
    pub fn build_calls<F, R>(self, run: F) -> FuncPool<Call<T, R>>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        built(self.try_build_calls(run))
    }

    /// As [`build_calls`](Self::build_calls), where a system that gives no thread is an
    /// error.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    ///
    /// # Panics
    /// As [`try_build`](Self::try_build).
    pub fn try_build_calls<F, R>(self, run: F) -> Result<FuncPool<Call<T, R>>, BuildError>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let run = Arc::new(run);
        let here = Arc::clone(&run);
        let run = move |hand: &mut Option<Carried<Call<T, R>>>| {
            let job = hand.take().expect("a job was taken");
            job.run(|call| call.run(&*run))
        };
        let here = move |call: Call<T, R>| _ = call.run(&*here);
        self.convert().build_with(run, Box::new(here))
    }

    /// The pool that runs this function with a state that `make` makes on each
    /// worker, with its first job: a connection, a parser, a buffer. It need
    /// not be `Send`, and is dropped on its worker, as that ends; while that takes long,
    /// another worker may [have one already](Self::on_worker_stop). A state whose
    /// job panicked is dropped, and made anew for the next. Answers to the
    /// workers of `tunny`.
    ///
    /// A job that its submitter runs, by [`submit_or_run`](FuncPool::submit_or_run),
    /// gets a state of its own.
    ///
    /// ```
    /// use pool_worker::threads::FuncPool;
    ///
    /// let pool = FuncPool::builder()
    ///     .capacity(2)
    ///     .build_with_state(String::new, |line, word: &'static str| {
    ///         line.push_str(word);
    ///         println!("this worker was given {line}");
    ///     });
    /// pool.submit_all(["one ", "two ", "three "])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// As [`build`](Self::build). A panic of `make` is that of the job.
    pub fn build_with_state<S: 'static, M, F>(self, make: M, run: F) -> FuncPool<T>
    where
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, T) + Send + Sync + 'static,
    {
        built(self.try_build_with_state(make, run))
    }

    /// As [`build_with_state`](Self::build_with_state), where a system that gives no
    /// thread is an error.
    ///
    /// # Errors
    /// As [`try_build`](Self::try_build).
    ///
    /// # Panics
    /// As [`try_build`](Self::try_build).
    pub fn try_build_with_state<S: 'static, M, F>(
        self,
        make: M,
        run: F,
    ) -> Result<FuncPool<T>, BuildError>
    where
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(&mut S, T) + Send + Sync + 'static,
    {
        let shared = Arc::new((make, run));
        let here = Arc::clone(&shared);
        let run = move |state: &mut Option<S>, hand: &mut Option<Carried<T>>| {
            let (make, run) = &*shared;
            let job = hand.take().expect("a job was taken");
            job.run(|job| lend(state, make, |state| run(state, job)));
            Outcome::Ran
        };
        let here = move |job| (here.1)(&mut (here.0)(), job);
        self.build_stateful(run, Box::new(here))
    }

    /// As [`build_with`](Self::build_with), for a function that is also given the place of
    /// its worker's state.
    pub(super) fn build_stateful<S: 'static, F>(
        self,
        run: F,
        here: Box<dyn Fn(T) + Send + Sync>,
    ) -> Result<FuncPool<T>, BuildError>
    where
        F: Fn(&mut Option<S>, &mut Option<Carried<T>>) -> Outcome + Send + Sync + 'static,
    {
        let drive = move |worker| {
            let mut state = None;
            let worker = work::work(worker, |hand| run(&mut state, hand));
            // Before the worker, which a close waits for.
            panic::contain(|| drop(state));
            drop(worker);
        };
        self.build_driven(drive, here)
    }

    /// As [`build`](Self::build), for a function that runs the job where it
    /// lies, and tells what became of it; and one that runs it for its
    /// submitter.
    pub(super) fn build_with<F>(
        self,
        run: F,
        here: Box<dyn Fn(T) + Send + Sync>,
    ) -> Result<FuncPool<T>, BuildError>
    where
        F: Fn(&mut Option<Carried<T>>) -> Outcome + Send + Sync + 'static,
    {
        self.build_driven(move |worker| drop(work::work(worker, &run)), here)
    }

    fn build_driven<F>(
        mut self,
        drive: F,
        here: Box<dyn Fn(T) + Send + Sync>,
    ) -> Result<FuncPool<T>, BuildError>
    where
        F: Fn(Worker<Carried<T>>) + Send + Sync + 'static,
    {
        let name = Arc::clone(&self.options.name);
        self.options.on_threads = true;
        let launch = self.settings.launch(&name, drive);
        let dispatcher = Dispatcher::new(self.options, launch);
        // Workers are made as jobs come; but without any, an accepted job
        // would be lost when the system has no thread to give. This one looks for
        // jobs before it first sleeps: the first job needs to ask for no other.
        dispatcher.queue.disarm();
        match dispatcher.prestart(1) {
            Ok(()) => Ok(FuncPool { dispatcher, here }),
            Err(NotLaunched(refused)) => Err(BuildError::new(&dispatcher.options.name, refused)),
        }
    }
}

/// Runs `run` with the state of this place, which is made first where there is none. It is
/// not there while it is in use, so a panic drops it.
pub(super) fn lend<S, R>(
    place: &mut Option<S>,
    make: impl FnOnce() -> S,
    run: impl FnOnce(&mut S) -> R,
) -> R {
    let mut state = place.take().unwrap_or_else(make);
    let result = run(&mut state);
    *place = Some(state);
    result
}

/// For who did not ask for an error.
pub(super) fn built<P>(built: Result<P, BuildError>) -> P {
    built.unwrap_or_else(|error| panic!("{error}"))
}
