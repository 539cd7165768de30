//! A pool for one function.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::worker::Threads;
use crate::engine::look_on_methods;
use crate::error::{CloseError, SubmitError};
use crate::options::{Options, option_methods};

/// Threads that call one function, each time with another argument (ants:
/// `PoolWithFuncGeneric`). Nothing is boxed for a job.
///
/// As [`Pool`](super::Pool) in everything else.
pub struct FuncPool<T: Send + 'static> {
    threads: Threads<T>,
}

impl<T: Send + 'static> FuncPool<T> {
    /// A pool with options; the function comes last.
    #[must_use]
    pub fn builder() -> FuncPoolBuilder<T> {
        FuncPoolBuilder {
            options: Options::default(),
            stack_size: None,
            argument: PhantomData,
        }
    }

    /// Submits an argument; blocks while the pool is full (ants: `Invoke`).
    ///
    /// # Errors
    /// When the pool is closed, or is while this blocks; the argument comes back.
    ///
    /// # Panics
    /// When the system refuses the first thread; the job is dropped with it.
    pub fn submit(&self, argument: T) -> Result<(), SubmitError<T>> {
        self.threads.submit(argument, None)
    }

    /// Submits an argument; blocks while the pool is full, for at most `limit`.
    ///
    /// # Errors
    /// When the pool is closed, or full for all the time; the argument comes back.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
    pub fn submit_timeout(&self, argument: T, limit: Duration) -> Result<(), SubmitError<T>> {
        self.threads.submit(argument, Some(limit))
    }

    /// Submits an argument, without waiting.
    ///
    /// # Errors
    /// When the pool is full or closed; the argument comes back.
    ///
    /// # Panics
    /// As [`submit`](Self::submit).
    pub fn try_submit(&self, argument: T) -> Result<(), SubmitError<T>> {
        self.threads.try_submit(argument)
    }

    /// As [`Pool::close`](super::Pool::close).
    ///
    /// # Errors
    /// As there.
    pub fn close(&self, limit: Duration) -> Result<(), CloseError> {
        self.threads.close(limit)
    }
}

impl<T: Send + 'static> FuncPool<T> {
    look_on_methods!(threads.engine);
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
    stack_size: Option<usize>,
    argument: PhantomData<fn(T)>,
}

impl<T: Send + 'static> FuncPoolBuilder<T> {
    option_methods!();

    /// The stack of each thread, in bytes.
    #[must_use]
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes the pool of `function` (ants: `NewPoolWithFuncGeneric`). No
    /// thread is started before the first job.
    #[must_use]
    pub fn build(self, function: impl Fn(T) + Send + Sync + 'static) -> FuncPool<T> {
        FuncPool {
            threads: Threads::new(self.options, self.stack_size, function),
        }
    }
}
