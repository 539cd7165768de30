//! A pool for one function.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::worker::Tasks;
use crate::engine::look_on_methods;
use crate::error::{CloseError, SubmitError};
use crate::options::{Options, option_methods};

/// Tasks that call one async function, each time with another argument (ants:
/// `PoolWithFuncGeneric`). Nothing is boxed for a job.
///
/// As [`Pool`](super::Pool) in everything else.
pub struct FuncPool<T: Send + 'static> {
    tasks: Tasks<T>,
}

impl<T: Send + 'static> FuncPool<T> {
    /// A pool with options; the function comes last.
    #[must_use]
    pub fn builder() -> FuncPoolBuilder<T> {
        FuncPoolBuilder {
            options: Options::default(),
            argument: PhantomData,
        }
    }

    /// Submits an argument; waits while the pool is full (ants: `Invoke`).
    /// Dropping the returned future before it is ready drops the argument.
    ///
    /// # Errors
    /// When the pool is closed, or is while this waits; the argument comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn submit(&self, argument: T) -> Result<(), SubmitError<T>> {
        self.tasks.submit(argument).await
    }

    /// Submits an argument; waits while the pool is full, for at most `limit`.
    ///
    /// # Errors
    /// When the pool is closed, or full for all the time; the argument comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without timers.
    pub async fn submit_timeout(&self, argument: T, limit: Duration) -> Result<(), SubmitError<T>> {
        self.tasks.submit_timeout(argument, limit).await
    }

    /// Submits an argument, without waiting.
    ///
    /// # Errors
    /// When the pool is full or closed; the argument comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn try_submit(&self, argument: T) -> Result<(), SubmitError<T>> {
        self.tasks.try_submit(argument)
    }

    /// As [`Pool::close`](super::Pool::close).
    ///
    /// # Errors
    /// As there.
    pub async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.tasks.close(limit).await
    }
}

impl<T: Send + 'static> FuncPool<T> {
    look_on_methods!(tasks.engine);
}

impl<T: Send + 'static> fmt::Debug for FuncPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FuncPool");
        debug
            .field("name", &self.name())
            .field("stats", &self.stats())
            .finish()
    }
}

/// Makes a [`FuncPool`].
#[derive(Clone, Debug)]
pub struct FuncPoolBuilder<T> {
    options: Options,
    argument: PhantomData<fn(T)>,
}

impl<T: Send + 'static> FuncPoolBuilder<T> {
    option_methods!();

    /// Makes the pool of `function` (ants: `NewPoolWithFuncGeneric`). No
    /// worker is started before the first job.
    #[must_use]
    pub fn build<F, R>(self, function: F) -> FuncPool<T>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        FuncPool {
            tasks: Tasks::new(self.options, function),
        }
    }
}
