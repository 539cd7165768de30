//! What a node does, from its inputs to its output.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::inputs::{Inputs, Outputs, Value};
use super::retry::Retry;
use crate::cause::Panic;

/// Why a node failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// Its function returned this error, at the last attempt.
    Error(E),
    /// The last attempt took longer than it may.
    TimedOut,
    /// Its function panicked; a panic is not tried again.
    Panicked(Panic),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            Self::Panicked(panic) => panic.fmt(f),
        }
    }
}

/// How a node ended that has run.
pub(super) enum Ended<E> {
    Value(Value),
    Failed(Failure<E>),
    /// Its `when` said no.
    Unwanted,
}

/// A node that runs; tells how many attempts it took, too.
pub(super) type Running<E> = Pin<Box<dyn Future<Output = (u32, Ended<E>)> + Send>>;

/// A node that has not run yet, its types forgotten.
pub(super) trait Work<E>: Send {
    /// `None` if an input is missing.
    fn begin(self: Box<Self>, outputs: &Outputs<'_>) -> Option<Running<E>>;
}

type When<V> = Box<dyn FnOnce(&V) -> bool + Send>;
type RetryIf<E> = Box<dyn FnMut(&E) -> bool + Send>;
type Fallback<T, E> = Box<dyn FnOnce(Failure<E>) -> Result<T, E> + Send>;

pub(super) struct Options<V, T, E> {
    pub(super) when: Option<When<V>>,
    pub(super) retry: Option<(Retry, RetryIf<E>)>,
    pub(super) timeout: Option<Duration>,
    pub(super) fallback: Option<Fallback<T, E>>,
}

impl<V, T, E> Options<V, T, E> {
    pub(super) fn new() -> Self {
        Self {
            when: None,
            retry: None,
            timeout: None,
            fallback: None,
        }
    }
}

pub(super) struct Typed<I: Inputs, F, T, E> {
    pub(super) inputs: I,
    pub(super) function: F,
    /// `None` for a node without any, as most are.
    pub(super) options: Option<Box<Options<I::Values, T, E>>>,
}

impl<I, F, R, T, E> Work<E> for Typed<I, F, T, E>
where
    I: Inputs,
    F: FnMut(I::Values) -> R + Send + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Send + 'static,
{
    fn begin(self: Box<Self>, outputs: &Outputs<'_>) -> Option<Running<E>> {
        let values = self.inputs.values(outputs)?;
        let Self {
            function, options, ..
        } = *self;
        Some(match options {
            None => Box::pin(once(function, values)),
            Some(options) => Box::pin(whole(function, values, *options)),
        })
    }
}

/// A node without options: one attempt.
async fn once<V, F, R, T, E>(mut function: F, values: V) -> (u32, Ended<E>)
where
    F: FnMut(V) -> R,
    R: Future<Output = Result<T, E>>,
    T: Send + Sync + 'static,
{
    let ended = match caught(async move { function(values).await }).await {
        Ok(Ok(value)) => Ended::Value(Arc::new(value)),
        Ok(Err(error)) => Ended::Failed(Failure::Error(error)),
        Err(panic) => Ended::Failed(Failure::Panicked(panic)),
    };
    (1, ended)
}

/// All attempts, and what frames them; a panic of any of it is caught.
async fn whole<V, F, R, T, E>(function: F, values: V, options: Options<V, T, E>) -> (u32, Ended<E>)
where
    V: Clone,
    F: FnMut(V) -> R,
    R: Future<Output = Result<T, E>>,
    T: Send + Sync + 'static,
{
    let mut attempts = 0;
    let ended = {
        let attempts = &mut attempts;
        caught(async move {
            let Options {
                when,
                retry,
                timeout,
                fallback,
            } = options;
            if when.is_some_and(|when| !when(&values)) {
                return Ended::Unwanted;
            }
            let mut result = tried(function, values, retry, timeout, attempts).await;
            if let (Err(failure), Some(fallback)) = (&mut result, fallback) {
                let failure = std::mem::replace(failure, Failure::TimedOut);
                result = fallback(failure).map_err(Failure::Error);
            }
            match result {
                Ok(value) => Ended::Value(Arc::new(value)),
                Err(failure) => Ended::Failed(failure),
            }
        })
        .await
    };
    let ended = ended.unwrap_or_else(|panic| Ended::Failed(Failure::Panicked(panic)));
    (attempts, ended)
}

async fn tried<V, F, R, T, E>(
    mut function: F,
    values: V,
    retry: Option<(Retry, RetryIf<E>)>,
    timeout: Option<Duration>,
    attempts: &mut u32,
) -> Result<T, Failure<E>>
where
    V: Clone,
    F: FnMut(V) -> R,
    R: Future<Output = Result<T, E>>,
{
    let (mut pauses, mut again) = match retry {
        Some((retry, again)) => (Some(retry.pauses()), Some(again)),
        None => (None, None),
    };
    loop {
        *attempts += 1;
        let (function, values) = (&mut function, values.clone());
        let attempt = caught(async move { function(values).await });
        let result = match timeout {
            None => Ok(attempt.await),
            Some(timeout) => tokio::time::timeout(timeout, attempt).await,
        };
        let failure = match result {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(error))) => Failure::Error(error),
            Ok(Err(panic)) => return Err(Failure::Panicked(panic)),
            Err(_) => Failure::TimedOut,
        };
        let worth_it = match (&failure, &mut again) {
            (Failure::Error(error), Some(again)) => again(error),
            (_, again) => again.is_some(),
        };
        let pause = pauses
            .as_mut()
            .filter(|_| worth_it)
            .and_then(Iterator::next);
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(failure),
        }
    }
}

/// Unwind safety: after a panic the future is only dropped.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => std::task::Poll::Ready(Err(Panic::new(payload))),
        },
    )
    .await
}
