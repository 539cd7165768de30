//! What a node does, from its inputs to its output.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::inputs::{Inputs, Outputs, Value};
use super::retry::Retry;
use crate::panic::Panic;

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

/// What a node does, its types forgotten; as a whole in one piece of memory.
pub(super) type Job<E> = Pin<Box<dyn Work<E>>>;

pub(super) trait Work<E>: Send {
    /// Polled first when all inputs are settled, and those it needs are there;
    /// not again once it is ready. Tells how many attempts it took, too. Does
    /// not panic.
    fn poll(
        self: Pin<&mut Self>,
        outputs: &Outputs<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<(u32, Ended<E>)>;
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

const THERE: &str = "a node is ready once its inputs are there";

pin_project_lite::pin_project! {
    /// A node without options, as most are: one attempt.
    pub(super) struct Once<I, F, R> {
        inputs: I,
        function: Option<F>,
        #[pin]
        running: Option<R>,
    }
}

impl<I, F, R> Once<I, F, R> {
    pub(super) fn new(inputs: I, function: F) -> Self {
        Self {
            inputs,
            function: Some(function),
            running: None,
        }
    }
}

impl<I, F, R, T, E> Work<E> for Once<I, F, R>
where
    I: Inputs,
    F: FnMut(I::Values) -> R + Send + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Send + 'static,
{
    fn poll(
        self: Pin<&mut Self>,
        outputs: &Outputs<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<(u32, Ended<E>)> {
        // Unwind safety: after a panic this is only dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut this = self.project();
            if let Some(mut function) = this.function.take() {
                let values = this.inputs.values(outputs).expect(THERE);
                this.running.set(Some(function(values)));
            }
            let running = this.running.as_mut().as_pin_mut();
            let result = ready!(running.expect("not ready before").poll(cx));
            this.running.set(None);
            Poll::Ready(result)
        }));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => Ended::Value(Arc::new(value)),
            Ok(Poll::Ready(Err(error))) => Ended::Failed(Failure::Error(error)),
            Err(payload) => Ended::Failed(Failure::Panicked(Panic::new(payload))),
        };
        Poll::Ready((1, ended))
    }
}

type Attempts<E> = Pin<Box<dyn Future<Output = (u32, Ended<E>)> + Send>>;

/// A node with options, before it runs.
pub(super) struct Parts<I: Inputs, F, T, E> {
    pub(super) inputs: I,
    pub(super) function: F,
    pub(super) options: Options<I::Values, T, E>,
}

/// A node with options.
pub(super) enum Framed<I: Inputs, F, T, E> {
    Ready(Option<Parts<I, F, T, E>>),
    Running(Attempts<E>),
}

impl<I: Inputs, F, T, E> Unpin for Framed<I, F, T, E> {}

impl<I, F, R, T, E> Work<E> for Framed<I, F, T, E>
where
    I: Inputs,
    F: FnMut(I::Values) -> R + Send + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Send + 'static,
{
    fn poll(
        mut self: Pin<&mut Self>,
        outputs: &Outputs<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<(u32, Ended<E>)> {
        if let Self::Ready(parts) = &mut *self {
            let parts = parts.take().expect("not ready before");
            let values = parts.inputs.values(outputs).expect(THERE);
            *self = Self::Running(Box::pin(whole(parts.function, values, parts.options)));
        }
        match &mut *self {
            Self::Running(attempts) => attempts.as_mut().poll(cx),
            Self::Ready(_) => unreachable!("was put to run"),
        }
    }
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
            Err(payload) => Poll::Ready(Err(Panic::new(payload))),
        },
    )
    .await
}
