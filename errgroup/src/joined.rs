//! The value of a single task.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::handle::Handle;

impl<E: Send + 'static> Handle<E> {
    /// As [`spawn`](Self::spawn), and the task's value can be awaited; its error
    /// is the group's, as ever. Not awaiting it changes nothing.
    ///
    /// A task that waits in here for another one holds its slot meanwhile: under
    /// a limit let it spawn what it waits for into another group, or there may be
    /// no slot for it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_value<T, F>(&self, task: F) -> Joined<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let (abort, aborted) = oneshot::channel();
        self.spawn(async move {
            if let Some(result) = unless(aborted, task).await {
                // Nobody may care any more.
                let _ = tell.send(result?);
            }
            Ok(())
        });
        Joined {
            told,
            abort: Some(abort),
        }
    }
}

/// The task's result; `None` if it was aborted first.
async fn unless<F: Future>(mut aborted: oneshot::Receiver<()>, task: F) -> Option<F::Output> {
    let mut task = pin!(task);
    let mut may_be_aborted = true;
    poll_fn(|cx| {
        if may_be_aborted && let Poll::Ready(answer) = Pin::new(&mut aborted).poll(cx) {
            if answer.is_ok() {
                return Poll::Ready(None);
            }
            // Its handle is gone.
            may_be_aborted = false;
        }
        task.as_mut().poll(cx).map(Some)
    })
    .await
}

/// The value of a task, once it is done; `None` if it has none: it failed,
/// panicked, was dropped or never started. Of
/// [`Handle::spawn_value`](crate::Handle::spawn_value); tokio's `JoinHandle` for a
/// task of a group. Dropping it detaches nothing: the task is the group's.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let group = errgroup::Group::<String>::new();
/// let answer = group.spawn_value(async { Ok(42) });
/// let mut endless = group.spawn_value(std::future::pending::<Result<(), _>>());
/// assert_eq!(answer.await, Some(42));
/// endless.abort();                    // this one only
/// assert_eq!(group.wait().await, Ok(()));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Joined<T> {
    told: oneshot::Receiver<T>,
    abort: Option<oneshot::Sender<()>>,
}

impl<T> Joined<T> {
    /// Drops this task at its next await, or before it starts; its siblings go on,
    /// and it is no error. Does not wait: it is gone once this is ready, with
    /// `None`, or with the value if that was there before.
    pub fn abort(&mut self) {
        if let Some(abort) = self.abort.take() {
            // It may be gone.
            let _ = abort.send(());
        }
    }
}

impl<T> Future for Joined<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.told).poll(cx).map(Result::ok)
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}
