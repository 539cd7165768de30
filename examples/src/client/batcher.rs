//! Many messages in one call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::error::CallError;

/// When a batch goes, and how many may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// As soon as it has so many messages,
    pub messages: usize,
    /// or so many bytes,
    pub bytes: usize,
    /// or its first message has waited for so long.
    pub wait: Duration,
    /// Batches that are on their way at a time.
    pub workers: usize,
    /// Messages that may wait; who adds more waits as well.
    pub pending: usize,
}

impl Default for BatchOptions {
    /// 50 messages, 40 KiB or 20 ms; 8 at a time.
    fn default() -> Self {
        Self {
            messages: 50,
            bytes: 40 << 10,
            wait: Duration::from_millis(20),
            workers: 8,
            pending: 10_000,
        }
    }
}

/// Puts messages together. Each learns how its batch went. A clone adds to
/// the same batches; when the last one is dropped, what waits still goes.
#[derive(Debug)]
pub struct Batcher<T>(mpsc::Sender<Item<T>>);

#[derive(Debug)]
struct Item<T> {
    message: T,
    bytes: usize,
    tell: oneshot::Sender<Result<(), CallError>>,
}

impl<T: Send + 'static> Batcher<T> {
    /// Batches go by `send`, with an id (a UUID that sorts by time) by which a
    /// server can tell one that it gets twice.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new<S, R>(options: BatchOptions, send: S) -> Self
    where
        S: Fn(Uuid, Vec<T>) -> R + Send + 'static,
        R: Future<Output = Result<(), CallError>> + Send + 'static,
    {
        let (sender, items) = mpsc::channel(options.pending.max(1));
        tokio::spawn(collect(items, options, send));
        Self(sender)
    }

    /// Adds a message of so many bytes, and waits until its batch has gone;
    /// waits for a place before, when too many do already. When the returned
    /// future is dropped after it was given its place, the message still goes.
    ///
    /// # Errors
    /// Those of the batch; [`CallError::Cancelled`] when the runtime has gone.
    pub async fn send(&self, message: T, bytes: usize) -> Result<(), CallError> {
        let (tell, told) = oneshot::channel();
        let item = Item {
            message,
            bytes,
            tell,
        };
        let taken = self.0.send(item).await;
        taken.map_err(|_| CallError::Cancelled)?;
        told.await.unwrap_or(Err(CallError::Cancelled))
    }

    /// Adds a message without waiting for anything.
    ///
    /// # Errors
    /// Gives the message back when too many wait already.
    pub fn try_send(&self, message: T, bytes: usize) -> Result<(), T> {
        let (tell, _) = oneshot::channel();
        let item = Item {
            message,
            bytes,
            tell,
        };
        self.0
            .try_send(item)
            .map_err(|refused| refused.into_inner().message)
    }
}

impl<T> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

async fn collect<T, S, R>(mut items: mpsc::Receiver<Item<T>>, options: BatchOptions, send: S)
where
    T: Send + 'static,
    S: Fn(Uuid, Vec<T>) -> R + Send + 'static,
    R: Future<Output = Result<(), CallError>> + Send + 'static,
{
    let workers = Arc::new(Semaphore::new(options.workers.max(1)));
    while let Some(first) = items.recv().await {
        let end = Instant::now() + options.wait;
        let mut bytes = first.bytes;
        let (mut messages, mut told) = (vec![first.message], vec![first.tell]);
        while messages.len() < options.messages && bytes < options.bytes {
            let Ok(Some(next)) = timeout_at(end, items.recv()).await else {
                break;
            };
            bytes += next.bytes;
            messages.push(next.message);
            told.push(next.tell);
        }
        let worker = Arc::clone(&workers).acquire_owned().await;
        let sent = send(Uuid::now_v7(), messages);
        tokio::spawn(async move {
            let _worker = worker;
            let result = sent.await;
            for tell in told {
                // Some did not wait.
                let _ = tell.send(result.clone());
            }
        });
    }
}
