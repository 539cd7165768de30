//! What cancels a group from outside, and what its cancel does there.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use crate::cause::Cause;
use crate::engine::Engine;
use crate::group::Group;
use crate::handle::Handle;
use crate::panic::{Panic, caught};

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
        self.handle.watch(time(at), || Cause::Error(error));
        self
    }

    /// Cancels the group by hand when `event` is ready: a signal, a
    /// `CancellationToken`'s `cancelled_owned()`, another group's end. It is
    /// dropped when the group is cancelled or ends. A panic of it cancels, and is
    /// one of the group, as that of a task.
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

    /// If this group fails, by an error or a panic of a task or by its deadline,
    /// cancels that other group, too: before `wait` of this one can return, and also
    /// if this one was cancelled by hand before. The other one is cancelled by hand,
    /// so that the error is returned here only. Without this a child's failure is
    /// contained.
    pub fn escalate_to<P: Send + 'static>(self, parent: &Handle<P>) -> Self {
        let parent = parent.clone();
        self.handle.shared.escalate_by(move || parent.cancel());
        self
    }
}

impl<E: Send + 'static> Handle<E> {
    /// A new group that is cancelled when this one is cancelled or has ended;
    /// not the other way round, see [`Group::escalate_to`].
    ///
    /// When `cancel` of this one returns, the child is cancelled, too, and so are its
    /// children; a child of a group that is cancelled already is so from the start. Else
    /// the two are groups of their own: `wait` of this one does not wait for the tasks of
    /// the child, whose owner does.
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
    pub fn child<C: Send + 'static>(&self) -> Group<C> {
        Group::new().follow(self)
    }

    /// Calls `act` once this group is cancelled or has ended: to cancel a
    /// `CancellationToken`, say. In a task of its own, so a moment later. A panic of
    /// it is one of the group, if that has not ended by then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn on_cancel(&self, act: impl FnOnce() + Send + 'static) {
        let handle = self.clone();
        tokio::spawn(async move {
            handle.cancelled().await;
            if let Err(panic) = caught(act) {
                handle.shared.cancel_from_outside(Cause::Panicked(panic));
            }
        });
    }

    /// Cancels for that reason when `event` is ready.
    fn watch<F>(&self, event: F, reason: impl FnOnce() -> Cause<E> + Send + 'static)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (runtime, handle) = (Runtime::current(), self.clone());
        let mut watching = Box::pin(async move {
            let reason = match happens(event, handle.cancelled()).await {
                Ok(false) => return,
                Ok(true) => reason(),
                Err(panic) => Cause::Panicked(panic),
            };
            handle.shared.cancel_from_outside(reason);
        });
        // What has happened by now cancels now: a task would be a moment later, and others
        // would start meanwhile.
        let mut cx = Context::from_waker(Waker::noop());
        if watching.as_mut().poll(&mut cx).is_pending() {
            runtime.spawn(watching);
        }
    }
}

/// Ready at that time; at once if it has been, not when tokio's clock ticks next.
///
/// # Panics
///
/// Outside of a tokio runtime with time enabled.
pub(crate) fn time(at: Instant) -> impl Future<Output = ()> + Send {
    let sleep = tokio::time::sleep_until(at);
    async move {
        if Instant::now() < at {
            sleep.await;
        }
    }
}

/// Whether the event happens, before there is a cancel; it is dropped then. Or its panic.
pub(crate) async fn happens<F>(event: F, cancelled: impl Future) -> Result<bool, Panic>
where
    F: Future<Output: Send>,
{
    let mut event = Box::pin(event);
    let happened = {
        let mut cancelled = pin!(cancelled);
        poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(false));
            }
            match caught(|| event.as_mut().poll(cx)) {
                Ok(polled) => polled.map(|_| Ok(true)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        })
        .await
    };
    let dropped = caught(|| drop(event));
    happened.and_then(|happened| dropped.map(|()| happened))
}
