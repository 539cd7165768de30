//! What cancels a flow from outside.

use tokio::time::Instant;

use super::graph::Flow;
use crate::control::time;
use crate::handle::Handle;

impl<E: Send + 'static> Flow<E> {
    /// Something to cancel the run with, from anywhere.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            handle: self.group.handle(),
        }
    }

    /// Cancels the flow at that time, unless it has ended; nodes that were not done by then
    /// are [`Cancelled`](super::State::Cancelled), the others have their outputs. There is no
    /// error of it, unlike that of [`Group::deadline`](crate::Group::deadline): an error is a
    /// node's.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use errgroup::flow::{Flow, State};
    /// use tokio::time::Instant;
    ///
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// let mut flow = Flow::<String>::new().deadline(soon);
    /// let a = flow.node("a", (), |()| std::future::pending::<Result<u32, _>>());
    /// assert_eq!(flow.run().await.node(a).state, State::Cancelled);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn deadline(self, at: Instant) -> Self {
        self.cancel_when(time(at))
    }

    /// Cancels the flow when `event` is ready, as a [`Canceller`] does: a signal, the cancel
    /// of a group (`async move { handle.cancelled().await }`). It is dropped when the flow is
    /// cancelled or ends, and [`run`](Self::run) goes on with its panic. As
    /// [`Group::cancel_when`](crate::Group::cancel_when).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::flow::{Flow, State};
    ///
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let mut flow = Flow::<String>::new().cancel_when(stopped);
    /// let a = flow.node("a", (), |()| std::future::pending::<Result<u32, _>>());
    /// drop(stop);
    /// assert_eq!(flow.run().await.node(a).state, State::Cancelled);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn cancel_when<F>(mut self, event: F) -> Self
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.group = self.group.cancel_when(event);
        self
    }

    /// Cancels the flow when the token is cancelled; as
    /// [`Group::cancel_with`](crate::Group::cancel_with).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::flow::{Flow, State};
    ///
    /// let shutdown = tokio_util::sync::CancellationToken::new();
    /// let mut flow = Flow::<String>::new().cancel_with(&shutdown);
    /// let a = flow.node("a", (), |()| std::future::pending::<Result<u32, _>>());
    /// shutdown.cancel();
    /// assert_eq!(flow.run().await.node(a).state, State::Cancelled);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(feature = "tokio-util")]
    pub fn cancel_with(self, token: &tokio_util::sync::CancellationToken) -> Self {
        self.cancel_when(token.clone().cancelled_owned())
    }
}

/// Cancels the run of a flow; of [`Flow::canceller`].
#[derive(Debug, Clone)]
pub struct Canceller {
    handle: Handle<()>,
}

impl Canceller {
    /// Drops the nodes that run; no other starts. Does not wait. Before the run
    /// it keeps every node from starting, afterwards it does nothing.
    pub fn cancel(&self) {
        self.handle.cancel();
    }
}
