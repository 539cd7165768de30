//! How a function pool of tasks is made: of a function, of one whose results are waited
//! for, or of one with a state for each worker.

use std::future::Future;
use std::sync::Arc;

use super::FuncPool;
use super::calls::Called;
use super::func_pool::Here;
use crate::call::Call;
use crate::dispatcher::Dispatcher;
use crate::options::Builder;
use crate::outcome::Outcome;
use crate::panic;
use crate::sync::Mutex;

impl<T: Send + 'static> Builder<FuncPool<T>> {
    /// The pool that runs this function.
    ///
    /// # Panics
    /// Outside of a runtime, when [`runtime`](Self::runtime) was not given;
    /// when the capacity is 0; when capacity and queue bound together are
    /// above 2^29; when an idle timeout was given and the runtime has no time.
    pub fn build<F, Fut>(self, run: F) -> FuncPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run = Arc::new(run);
        let here = Arc::clone(&run);
        self.build_with(
            move |job| run(job),
            Box::new(move |job| Box::pin(here(job))),
        )
    }

    /// The pool that runs this function, whose results its callers wait for:
    /// see [`call`](FuncPool::call). A panic before it returns its future is that of
    /// the job, as one in the future is.
    ///
    /// # Panics
    /// As [`build`](Self::build).
    pub fn build_calls<F, Fut>(self, run: F) -> FuncPool<Call<T, Fut::Output>>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Send> + Send + 'static,
    {
        let run = Arc::new(run);
        let here = Arc::clone(&run);
        let run = move |call| Called::of(call, &*run);
        let here = move |call| -> Here {
            let call = Called::of(call, &*here);
            Box::pin(async move { _ = call.await })
        };
        self.convert().build_with(run, Box::new(here))
    }

    /// The pool that runs this function with a state that `make` makes for each
    /// worker, with its first job: a connection, a parser, a buffer. The
    /// function gets it and gives it back. A state whose job panicked, or was
    /// dropped with the runtime, is gone, and made anew for the next.
    ///
    /// A job that its submitter runs, by [`submit_or_run`](FuncPool::submit_or_run),
    /// gets a state of its own.
    ///
    /// # Panics
    /// As [`build`](Self::build). A panic of `make` is that of the job.
    pub fn build_with_state<S, M, F, Fut>(self, make: M, run: F) -> FuncPool<T>
    where
        S: Send + 'static,
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(S, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S> + Send + 'static,
    {
        let shared = Arc::new((make, run));
        let here = Arc::clone(&shared);
        let make_run = move || {
            let shared = Arc::clone(&shared);
            // Shared with the one job that the worker has at a time.
            let place = Place::empty();
            move |job| place.keep((shared.1)(place.take(&shared.0), job))
        };
        let here = move |job| -> Here {
            let future = (here.1)((here.0)(), job);
            Box::pin(async move { drop(future.await) })
        };
        self.build_made(make_run, Box::new(here))
    }

    /// As [`build`](Self::build), for a function that may tell what became of
    /// the job; and one that runs it for its submitter.
    pub(super) fn build_with<F, Fut>(
        self,
        run: F,
        here: Box<dyn Fn(T) -> Here + Send + Sync>,
    ) -> FuncPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
    {
        let run = Arc::new(run);
        let make = move || {
            let run = Arc::clone(&run);
            move |job| run(job)
        };
        self.build_made(make, here)
    }

    /// As [`build_with`](Self::build_with), for a function that `make` makes for each
    /// worker.
    pub(super) fn build_made<M, F, Fut>(
        self,
        make: M,
        here: Box<dyn Fn(T) -> Here + Send + Sync>,
    ) -> FuncPool<T>
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
    {
        let has_timeout = self.options.idle_timeout.is_some();
        let launch = self.settings.launch(make, has_timeout);
        let dispatcher = Dispatcher::new(self.options, launch);
        // A task is never refused.
        let _ = dispatcher.prestart(0);
        FuncPool { dispatcher, here }
    }
}

/// Where the state of a worker lies between its jobs.
pub(super) struct Place<S>(Mutex<Option<S>>);

impl<S> Place<S> {
    pub(super) fn empty() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None)))
    }

    /// The state, which is made where there is none.
    pub(super) fn take(&self, make: impl FnOnce() -> S) -> S {
        self.0.lock().take().unwrap_or_else(make)
    }

    /// Has the state back that a job gives when it ends.
    pub(super) fn keep<Fut: Future<Output = S>>(
        self: &Arc<Self>,
        job: Fut,
    ) -> impl Future<Output = ()> + use<S, Fut> {
        let place = Arc::clone(self);
        async move { *place.0.lock() = Some(job.await) }
    }
}

/// A panic of the state's own drop costs the worker nothing.
impl<S> Drop for Place<S> {
    fn drop(&mut self) {
        let state = self.0.lock().take();
        panic::contain(|| drop(state));
    }
}
