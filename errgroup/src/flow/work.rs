//! What a node does, from its inputs to its output.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::inputs::{Inputs, Outputs, Value};
use super::retry::Retry;
use crate::panic::{self, Panic};

/// Why a node failed. An [`Error`](std::error::Error) if `E` is one, for which it stands.
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

impl<E: Error> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::TimedOut | Self::Panicked(_) => None,
        }
    }
}

/// How a node ended that has begun.
pub(super) enum Ended<E> {
    Value(Value),
    Failed(Failure<E>),
    /// Its `when` said no.
    Unwanted,
    /// It was dropped before it was done.
    Dropped,
}

impl<E> Ended<E> {
    /// Drops what is left of the node; a panic of that is its failure, unless it has one.
    #[cold]
    pub(super) fn and_gone(self, job: Job<E>) -> Self {
        match caught(|| drop(job)) {
            Err(panic) if !matches!(self, Self::Failed(_)) => panic.into(),
            _ => self,
        }
    }
}

impl<E> From<Panic> for Ended<E> {
    fn from(panic: Panic) -> Self {
        Self::Failed(Failure::Panicked(panic))
    }
}

/// What a node does, its types forgotten; as a whole in one piece of memory.
pub(super) type Job<E> = Pin<Box<dyn Work<E>>>;

pub(super) trait Work<E>: Send {
    /// Polled first when all inputs are settled, and those it needs are there;
    /// not again once it is ready or has panicked.
    fn poll(self: Pin<&mut Self>, outputs: &Outputs<'_>, cx: &mut Context<'_>) -> Poll<Ended<E>>;

    /// How often its function was called so far.
    fn attempts(&self) -> u32;
}

/// Polls a node, and drops it once it has ended; a panic of either is its failure. Tells
/// how many attempts it took, too.
#[inline]
pub(super) fn poll<E>(
    node: &mut Option<Job<E>>,
    outputs: &Outputs<'_>,
    cx: &mut Context<'_>,
) -> Poll<(u32, Ended<E>)> {
    let mut attempts = 0;
    let ended = caught(|| {
        let job = node.as_mut().expect("not ready before");
        let ended = ready!(job.as_mut().poll(outputs, cx));
        attempts = job.attempts();
        *node = None;
        Poll::Ready(ended)
    });
    match ended {
        Ok(Poll::Ready(ended)) => Poll::Ready((attempts, ended)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(match node.take() {
            Some(job) => (job.attempts(), Ended::from(panic).and_gone(job)),
            None => (attempts, panic.into()),
        }),
    }
}

/// Runs code of a node.
#[inline]
pub(super) fn caught<R>(code: impl FnOnce() -> R) -> Result<R, Panic> {
    panic::forget_last();
    panic::caught(code)
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
    F: FnOnce(I::Values) -> R + Send + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, outputs: &Outputs<'_>, cx: &mut Context<'_>) -> Poll<Ended<E>> {
        let mut this = self.project();
        if this.function.is_some() {
            let values = this.inputs.values(outputs).expect(THERE);
            let function = this.function.take();
            this.running.set(function.map(|function| function(values)));
        }
        let running = this.running.as_mut().as_pin_mut();
        let result = ready!(running.expect("not ready before").poll(cx));
        this.running.set(None);
        Poll::Ready(match result {
            Ok(value) => Ended::Value(Arc::new(value)),
            Err(error) => Ended::Failed(Failure::Error(error)),
        })
    }

    fn attempts(&self) -> u32 {
        self.function.is_none().into()
    }
}

type Whole<E> = Pin<Box<dyn Future<Output = Ended<E>> + Send>>;

/// A node with options, before it runs.
pub(super) struct Parts<I: Inputs, F, T, E> {
    pub(super) inputs: I,
    pub(super) function: F,
    pub(super) options: Options<I::Values, T, E>,
}

/// A node with options.
pub(super) struct Framed<I: Inputs, F, T, E> {
    parts: Option<Parts<I, F, T, E>>,
    running: Option<Whole<E>>,
    /// Counted by what runs.
    attempts: Arc<AtomicU32>,
}

impl<I: Inputs, F, T, E> Framed<I, F, T, E> {
    pub(super) fn new(parts: Parts<I, F, T, E>) -> Self {
        Self {
            parts: Some(parts),
            running: None,
            attempts: Arc::default(),
        }
    }
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
    ) -> Poll<Ended<E>> {
        if let Some(parts) = self.parts.take() {
            let values = parts.inputs.values(outputs).expect(THERE);
            let attempts = Arc::clone(&self.attempts);
            let whole = whole(parts.function, values, parts.options, attempts);
            self.running = Some(Box::pin(whole));
        }
        let running = self.running.as_mut();
        running.expect("not ready before").as_mut().poll(cx)
    }

    fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }
}

/// All attempts, and what frames them.
async fn whole<V, F, R, T, E>(
    function: F,
    values: V,
    options: Options<V, T, E>,
    attempts: Arc<AtomicU32>,
) -> Ended<E>
where
    V: Clone,
    F: FnMut(V) -> R,
    R: Future<Output = Result<T, E>>,
    T: Send + Sync + 'static,
{
    let Options {
        when,
        retry,
        timeout,
        fallback,
    } = options;
    if when.is_some_and(|when| !when(&values)) {
        return Ended::Unwanted;
    }
    let result = tried(function, values, retry, timeout, &attempts).await;
    let result = match (result, fallback) {
        (Err(failure), Some(fallback)) => fallback(failure).map_err(Failure::Error),
        (result, _) => result,
    };
    match result {
        Ok(value) => Ended::Value(Arc::new(value)),
        Err(failure) => Ended::Failed(failure),
    }
}

async fn tried<V, F, R, T, E>(
    mut function: F,
    values: V,
    retry: Option<(Retry, RetryIf<E>)>,
    timeout: Option<Duration>,
    attempts: &AtomicU32,
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
        attempts.fetch_add(1, Relaxed);
        let (function, values) = (&mut function, values.clone());
        let attempt = unpanicked(async move { function(values).await });
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

/// The future, or its panic.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
