//! One async function over many arguments, on tasks, under control.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::FuncPool;
use super::calls::Called;
use super::func_build::Place;
use super::func_pool::Here;
use crate::any_pool::Core;
use crate::call::Call;
use crate::error::{CloseError, SubmitError};
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::outcome::Outcome;
use crate::overload::{
    Class, Control, ControlStats, Controlled, Level, Token, Unserved, controlled,
};

/// A pool of tasks that run one async function, and decide by how long jobs wait
/// which of them to run; see [`overload`](crate::overload).
///
/// Beside that it is a [`FuncPool`], except that nobody ever waits to submit: what
/// there is no room for is refused. See
/// [`threads::ControlledPool`](crate::threads::ControlledPool) for an example.
pub struct ControlledPool<T: Send + 'static> {
    controlled: Controlled<T>,
    tokens: FuncPool<Token<T>>,
}

controlled!(ControlledPool);

impl<T: Send + 'static> ControlledPool<T> {
    /// Waits until every job accepted so far, and since, was run or given back. In
    /// a pool that is [paused](Self::pause) with jobs that wait, it waits for the resume or a
    /// close.
    ///
    /// # Panics
    /// In a job of this pool, which would wait for itself.
    pub async fn wait_idle(&self) {
        self.tokens.wait_idle().await;
    }

    /// Accepts nothing from now on, and waits until what was accepted was run or
    /// given back and every worker has left, for at most `limit`.
    ///
    /// # Panics
    /// As [`FuncPool::close`].
    ///
    /// # Errors
    /// As [`FuncPool::close`].
    pub async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.tokens.close(limit).await
    }
}

impl<T: Send + 'static> Builder<ControlledPool<T>> {
    /// The pool that runs this function, and gives what it does not run to
    /// `unserved`, which must not block: on a worker, on a thread that submits, on the
    /// thread of the pool's alarm when a [deadline](Class::deadline) passes, or where the
    /// runtime of the workers is shut down; inside of that runtime on each of them, so it
    /// may spawn. Each has to wait for it, and so does who waits for the end of the pool; so
    /// that is refused to it as it is to a job of the pool. Its panic goes to the
    /// [panic handler](Self::panic_handler), and costs nothing else.
    ///
    /// # Panics
    /// As `build` of a [`FuncPool`], where an [elastic](Control::elastic) size counts as
    /// an idle timeout.
    pub fn build<F, Fut, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        self.build_with(control, run, unserved)
    }

    /// As [`build`](Self::build), for a function with a state that `make` makes for each
    /// worker; see [`build_with_state`](Builder::build_with_state) of a [`FuncPool`].
    ///
    /// # Panics
    /// As [`build`](Self::build). A panic of `make` is that of the job.
    pub fn build_with_state<S, M, F, Fut, U>(
        self,
        control: Control,
        make: M,
        run: F,
        unserved: U,
    ) -> ControlledPool<T>
    where
        S: Send + 'static,
        M: Fn() -> S + Send + Sync + 'static,
        F: Fn(S, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = S> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let shared = Arc::new((make, run));
        let make_run = move || {
            let (shared, place) = (Arc::clone(&shared), Place::empty());
            move |job| place.keep((shared.1)(place.take(&shared.0), job))
        };
        self.build_made(control, make_run, unserved)
    }

    fn build_with<F, Fut, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let make_run = move || {
            let run = Arc::clone(&run);
            move |job| run(job)
        };
        self.build_made(control, make_run, unserved)
    }

    /// The pool whose workers each have a function that `make_run` makes.
    fn build_made<M, F, Fut, U>(
        self,
        control: Control,
        make_run: M,
        unserved: U,
    ) -> ControlledPool<T>
    where
        M: Fn() -> F + Send + Sync + 'static,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let make_run = move || {
            let run = Arc::new(make_run());
            move |token: Token<T>| {
                let run = Arc::clone(&run);
                async move {
                    let desk = token.spend();
                    let Some((job, running)) = desk.next() else {
                        return Outcome::Ran;
                    };
                    let (job, span) = job.into_parts();
                    let outcome = span.run_async(|| run(job)).await.into();
                    running.ended(&outcome);
                    outcome
                }
            }
        };
        let runtime = self.settings.runtime();
        let unserved = move |job| {
            let _inside = runtime.enter();
            unserved(job);
        };
        let builder = self.of_tokens::<FuncPool<Token<T>>>(&control);
        let here = Box::new(|token| -> Here { Box::pin(async { drop(token) }) });
        let tokens = builder.build_made(make_run, here);
        let controlled = Controlled::new(control, unserved, &tokens.dispatcher);
        ControlledPool { controlled, tokens }
    }

    /// The pool that runs this async function, whose results its callers wait for: see
    /// [`call`](ControlledPool::call).
    ///
    /// # Panics
    /// As [`build`](Self::build).
    pub fn build_calls<F, Fut, R>(self, control: Control, run: F) -> ControlledPool<Call<T, R>>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Send + 'static,
    {
        let run = move |call: Call<T, R>| Called::of(call, &run);
        self.convert::<ControlledPool<_>>()
            .build_with(control, run, Call::back)
    }
}
