//! Some time after the cancel, then the task is dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::cancelled::Cancelled;
use crate::group::Group;
use crate::shared::Shared;

impl<E: Send + 'static> Group<E> {
    /// Gives tasks so long after the cancel to end by themselves; those that
    /// have not are dropped at their next await. Zero drops them at once. Unless
    /// this is set they are never dropped. The time begins when the task is polled
    /// next, for which the cancel wakes it.
    ///
    /// For tasks spawned from here on; the first setting stays. A
    /// [`spawn_blocking`](crate::Handle::spawn_blocking) job that runs cannot be
    /// dropped: `wait` waits for it. More than zero needs a runtime with time
    /// enabled.
    pub fn grace(self, grace: Duration) -> Self {
        self.handle.shared.grace.get_or_init(|| grace);
        self
    }
}

/// The task, until it is done or its time after the cancel is up.
pub(crate) async fn graceful<E, F>(
    shared: Arc<Shared<E>>,
    grace: Duration,
    task: F,
) -> Result<(), E>
where
    E: Send + 'static,
    F: Future<Output = Result<(), E>>,
{
    let mut task = pin!(task);
    let mut cancelled = pin!(Cancelled::new(&shared));
    let ended = poll_fn(|cx| {
        if let Poll::Ready(result) = task.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        cancelled.as_mut().poll(cx).map(|()| None)
    });
    if let Some(result) = ended.await {
        return result;
    }
    if grace.is_zero() {
        return Ok(());
    }
    tokio::time::timeout(grace, task).await.unwrap_or(Ok(()))
}
