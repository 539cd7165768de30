//! What cancels a group from outside, and what its cancel does there.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::time::Instant;

use crate::cause::Cause;
use crate::engine::Engine;
use crate::group::Group;
use crate::handle::Handle;

impl<E: Send + 'static> Group<E> {
    /// Cancels the group with this error at that time, unless it has ended.
    /// As the first error of a task it is the cause, and what `wait` returns.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::time::Duration;
    /// use errgroup::Group;
    /// use tokio::time::Instant;
    ///
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// let group = Group::new().deadline(soon, "too late").grace(Duration::ZERO);
    /// group.spawn(std::future::pending());
    /// assert_eq!(group.wait().await, Err("too late"));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn deadline(self, at: Instant, error: E) -> Self {
        let sleep = tokio::time::sleep_until(at);
        self.handle.watch(sleep, || Cause::Error(error));
        self
    }

    /// Cancels the group by hand when `event` is ready: a signal, a
    /// `CancellationToken`'s `cancelled_owned()`, another group's end. It is
    /// dropped when the group is cancelled or ends.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::Group;
    ///
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let group = Group::<()>::new().cancel_when(stopped);
    /// let handle = group.handle();
    /// group.spawn(async move { handle.cancelled().await; Ok(()) });
    /// drop(stop);
    /// assert_eq!(group.wait().await, Ok(()));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn cancel_when<F>(self, event: F) -> Self
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.watch(event, || Cause::Cancelled);
        self
    }

    /// If a task of this group fails or panics, cancels that other group, too;
    /// by hand, so that the error is returned here only. Without this a child's
    /// failure is contained.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn escalate_to<P: Send + 'static>(self, parent: &Handle<P>) -> Self {
        let (child, parent) = (self.handle(), parent.clone());
        self.handle.on_cancel(move || {
            let failed = |cause: &Cause<E>| matches!(cause, Cause::Error(_) | Cause::Panicked(_));
            if child.with_cause(failed) == Some(true) {
                parent.cancel();
            }
        });
        self
    }
}

impl<E: Send + 'static> Handle<E> {
    /// A new group that is cancelled when this one is cancelled or has ended;
    /// not the other way round, see [`Group::escalate_to`].
    ///
    /// The cancel is carried over by a task of its own, so a moment later.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::Group;
    ///
    /// let parent = Group::<()>::new();
    /// let child = parent.handle().child::<&str>();    // add `.escalate_to(&parent.handle())`
    /// child.spawn(async { Err("the child's own") });
    /// assert_eq!(child.wait().await, Err("the child's own"));
    /// assert!(!parent.is_cancelled());                // to have this true
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn child<C: Send + 'static>(&self) -> Group<C> {
        let parent = self.clone();
        Group::new().cancel_when(async move { parent.cancelled().await })
    }

    /// Calls `act` once this group is cancelled or has ended: to cancel a
    /// `CancellationToken`, say. In a task of its own, so a moment later.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn on_cancel(&self, act: impl FnOnce() + Send + 'static) {
        let handle = self.clone();
        tokio::spawn(async move {
            handle.cancelled().await;
            act();
        });
    }

    /// Cancels for that reason when `event` is ready.
    fn watch<F>(&self, event: F, reason: impl FnOnce() -> Cause<E> + Send + 'static)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let handle = self.clone();
        tokio::spawn(async move {
            let happened = {
                let (mut event, mut cancelled) = (pin!(event), pin!(handle.cancelled()));
                poll_fn(|cx| {
                    if cancelled.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(false);
                    }
                    event.as_mut().poll(cx).map(|_| true)
                })
                .await
            };
            if happened {
                handle.shared.cancel(reason());
            }
        });
    }
}
