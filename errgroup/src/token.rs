//! `CancellationToken` of `tokio-util`, both ways (feature `tokio-util`).

use tokio_util::sync::CancellationToken;

use crate::gather::Gather;
use crate::group::Group;
use crate::handle::Handle;
use crate::scope::Scope;

impl<E: Send + 'static> Group<E> {
    /// Cancels the group by hand when the token is cancelled. A group that is
    /// cancelled leaves the token alone: see [`Handle::token`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::Group;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let shutdown = CancellationToken::new();
    /// let group = Group::<()>::new().cancel_with(&shutdown);
    /// let handle = group.handle();
    /// group.spawn(async move { handle.cancelled().await; Ok(()) });
    /// shutdown.cancel();
    /// assert_eq!(group.wait().await, Ok(()));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn cancel_with(self, token: &CancellationToken) -> Self {
        self.cancel_when(token.clone().cancelled_owned())
    }
}

impl<T: Send + 'static, E: Send + 'static> Gather<T, E> {
    /// Cancels the gather by hand when the token is cancelled; as [`Group::cancel_with`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let shutdown = tokio_util::sync::CancellationToken::new();
    /// let gather = errgroup::Gather::<u32, String>::new().cancel_with(&shutdown);
    /// gather.spawn(std::future::pending());
    /// shutdown.cancel();
    /// assert_eq!(gather.wait().await.done(), 0);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn cancel_with(self, token: &CancellationToken) -> Self {
        self.cancel_when(token.clone().cancelled_owned())
    }
}

impl<E: Send + 'static> Handle<E> {
    /// A new token that is cancelled when this group is cancelled or has ended:
    /// for code that knows tokens. Cancelling the token does nothing to the
    /// group. Carried over by a task of its own, so a moment later.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn token(&self) -> CancellationToken {
        let token = CancellationToken::new();
        let cancelled = token.clone();
        self.on_cancel(move || cancelled.cancel());
        token
    }
}

impl<'scope, E: Send + 'scope> Scope<'scope, '_, E> {
    /// Cancels the scope by hand when the token is cancelled; as
    /// [`Group::cancel_with`].
    ///
    /// ```
    /// let shutdown = tokio_util::sync::CancellationToken::new();
    /// let ended = errgroup::scope(|group| {
    ///     group.cancel_with(&shutdown);
    ///     let sibling = group.clone();
    ///     group.spawn(move || { sibling.wait_cancelled(); Ok::<(), ()>(()) });
    ///     shutdown.cancel();
    ///     Ok(())
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn cancel_with(&self, token: &CancellationToken) {
        self.cancel_when(token.clone().cancelled_owned());
    }

    /// A new token that is cancelled when this scope is cancelled or has ended; as
    /// [`Handle::token`]. Carried over by a thread of its own, so a moment later.
    ///
    /// # Panics
    ///
    /// If the system has no thread left.
    pub fn token(&self) -> CancellationToken {
        let token = CancellationToken::new();
        let cancelled = token.clone();
        self.on_cancel(move || cancelled.cancel());
        token
    }
}
