//! One async function over many arguments, on tasks, under control.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::FuncPool;
use super::calls::Called;
use crate::any_pool::Core;
use crate::call::Call;
use crate::error::{CloseError, SubmitError};
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::outcome::Outcome;
use crate::overload::{
    Class, Control, ControlStats, Controlled, Desk, Level, Token, Unserved, controlled,
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
    /// Waits until every job accepted so far, and since, was run or given back.
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
    /// runtime of the workers is shut down.
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

    fn build_with<F, Fut, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let run = move |token: Token<T>| {
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
        };
        let builder = self.of_tokens::<FuncPool<Token<T>>>(&control);
        let tokens = builder.build_with(run, Box::new(|token| Box::pin(async { drop(token) })));
        let controlled = Controlled::new(Desk::new(control, unserved), &tokens.dispatcher);
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
