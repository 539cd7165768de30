//! The value of a single task.

use std::fmt;
use std::pin::Pin;
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
        self.spawn(async move {
            // Nobody may care any more.
            let _ = tell.send(task.await?);
            Ok(())
        });
        Joined(told)
    }
}

/// The value of a task, once it is done; `None` if it has none: it failed,
/// panicked, was dropped or never started. Of
/// [`Handle::spawn_value`](crate::Handle::spawn_value).
#[must_use = "futures do nothing unless awaited"]
pub struct Joined<T>(oneshot::Receiver<T>);

impl<T> Future for Joined<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<T> fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}
