//! A wait for an event, as a future that leaves nothing behind.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::any_pool::{AnyPool, Core};
use crate::wakers::Key;

/// What can be waited for.
pub(crate) trait Event {
    type Output;

    /// Looks, and leaves the waker under this key if it has to be waited for.
    fn poll(&self, key: &mut Key, waker: &Waker) -> Poll<Self::Output>;

    /// Takes the waker of this key away.
    fn forget(&self, key: u64);
}

/// Resolves with the event. Dropped before, it takes its waker along, so who looks at many
/// things in turn may wait anew each time.
pub(crate) struct Wait<E: Event> {
    event: E,
    key: Key,
}

impl<E: Event> Wait<E> {
    pub(crate) fn new(event: E) -> Self {
        Self { event, key: None }
    }
}

// The event is a reference, and never pinned.
impl<E: Event> Unpin for Wait<E> {}

impl<E: Event> Future for Wait<E> {
    type Output = E::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<E::Output> {
        let this = self.get_mut();
        this.event.poll(&mut this.key, cx.waker())
    }
}

impl<E: Event> Drop for Wait<E> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.event.forget(key);
        }
    }
}

/// What the jobs of a pool come to.
#[derive(Clone, Copy)]
pub enum End {
    /// Every accepted job has ended.
    Idle,
    /// That, and every worker has left.
    Drained,
}

/// Of this pool.
pub(crate) struct EndOf<'a>(&'a dyn Core, End);

/// A wait for that.
pub(crate) fn until(pool: &dyn Core, end: End) -> Wait<EndOf<'_>> {
    Wait::new(EndOf(pool, end))
}

impl Event for EndOf<'_> {
    type Output = ();

    fn poll(&self, key: &mut Key, waker: &Waker) -> Poll<()> {
        self.0.poll_end(self.1, key, waker)
    }

    fn forget(&self, key: u64) {
        self.0.forget(self.1, key);
    }
}

/// Resolves when this is so of all pools at one look.
pub(crate) struct All<'a>(Box<[Wait<EndOf<'a>>]>);

impl<'a> All<'a> {
    pub(crate) fn of<P: AnyPool>(pools: &'a [P], end: End) -> Self {
        Self(pools.iter().map(|pool| until(pool.core(), end)).collect())
    }
}

impl Future for All<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for wait in &mut self.0 {
            // Leaves the waker with the first that is not; that one comes back.
            if Pin::new(wait).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
