//! One async function over many arguments, on tasks, under control.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::FuncPool;
use super::job::Tracked;
use crate::call::Call;
use crate::error::{CloseError, SubmitError};
use crate::handle::{Handle, handle};
use crate::options::Builder;
use crate::overload::{Class, Control, ControlStats, Desk, Level, Unserved, controlled};

/// A pool of tasks that run one async function, and decide by how long jobs wait
/// which of them to run; see [`overload`](crate::overload).
///
/// Beside that it is a [`FuncPool`], except that nobody ever waits to submit: what
/// there is no room for is refused. See
/// [`threads::ControlledPool`](crate::threads::ControlledPool) for an example.
pub struct ControlledPool<T: Send + 'static> {
    desk: Arc<Desk<T>>,
    tokens: FuncPool<()>,
}

controlled!(ControlledPool);

impl<T: Send + 'static> ControlledPool<T> {
    /// Waits until every job accepted so far, and since, was run or given back. A
    /// job that awaits this waits for itself.
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
    /// `unserved`, on a worker, which must not block for it. When the runtime of the
    /// workers is shut down, `unserved` is called as the pool is dropped.
    ///
    /// # Panics
    /// As `build` of a [`FuncPool`].
    pub fn build<F, Fut, U>(self, control: Control, run: F, unserved: U) -> ControlledPool<T>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        U: Fn(Unserved<T>) + Send + Sync + 'static,
    {
        let desk = Arc::new(Desk::new(control, unserved));
        let at_desk = Arc::new((Arc::clone(&desk), run));
        let tokens = self.of_tokens::<FuncPool<()>>(&control).build(move |()| {
            let at_desk = Arc::clone(&at_desk);
            async move {
                let (desk, run) = &*at_desk;
                if let Some((job, running)) = desk.next() {
                    let (job, span) = job.into_parts();
                    span.run_async(|| run(job)).await;
                    drop(running);
                }
            }
        });
        desk.resize_by(tokens.dispatcher.resizer());
        ControlledPool { desk, tokens }
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
        let run = move |call: Call<T, R>| {
            let ran = Tracked::of(call, &run);
            async move { ran.await.panic_on() }
        };
        self.convert::<ControlledPool<_>>()
            .build(control, run, Call::back)
    }
}
