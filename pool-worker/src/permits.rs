//! The places of a sub-pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::dispatcher::Dispatcher;
use crate::error::{Reason, SubmitError};
use crate::sync::Mutex;
use crate::wait::Event;
use crate::wakers::{Key, Wakers, wake_all};

struct State {
    free: usize,
    /// Submitters that wait for a place.
    waiting: usize,
    /// Wait for a place, or for all of them.
    wakers: Wakers,
}

pub(crate) struct Permits {
    pub(crate) name: Arc<str>,
    pub(crate) limit: usize,
    state: Mutex<State>,
}

/// A place, until it is dropped.
pub(crate) struct Permit(Arc<Permits>);

impl Permits {
    /// The places of a part of the pool, which wakes who waits for one as it closes.
    ///
    /// # Panics
    /// When `limit` is 0.
    pub(crate) fn new<J: Send + 'static>(
        pool: &Arc<Dispatcher<J>>,
        name: &str,
        limit: usize,
    ) -> Arc<Self> {
        assert!(limit > 0, "the limit of a sub-pool is at least 1");
        let state = State {
            free: limit,
            waiting: 0,
            wakers: Wakers::default(),
        };
        let permits = Arc::new(Self {
            name: Arc::from(name),
            limit,
            state: Mutex::new(state),
        });
        pool.add_part(&permits);
        permits
    }

    pub(crate) fn taken(&self) -> usize {
        self.limit - self.state.lock().free
    }

    /// Submitters that wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.state.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Permit(Arc::clone(self)))
    }

    /// Waits for a place.
    pub(crate) fn acquire<'a, J: Send + 'static>(
        self: &'a Arc<Self>,
        pool: &'a Arc<Dispatcher<J>>,
    ) -> Acquire<'a, J> {
        Acquire {
            permits: self,
            pool,
            since: None,
            key: None,
        }
    }

    /// A job that this part does not let in.
    pub(crate) fn refuse<J: Send + 'static, F>(
        &self,
        pool: &Dispatcher<J>,
        reason: Reason,
        job: F,
    ) -> SubmitError<F> {
        pool.count_rejection(reason);
        SubmitError::new(&self.name, reason, job)
    }

    /// Lets everyone who waits look again.
    pub(crate) fn wake_all(&self) {
        let wakers = self.state.lock().wakers.take();
        wake_all(wakers);
    }
}

/// No place is taken.
impl Event for &Permits {
    type Output = ();

    fn poll(&self, key: &mut Key, waker: &Waker) -> Poll<()> {
        let waker = waker.clone();
        let mut state = self.state.lock();
        if state.free == self.limit {
            return Poll::Ready(());
        }
        let replaced = state.wakers.leave(key, waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    fn forget(&self, key: u64) {
        let waker = self.state.lock().wakers.remove(key);
        drop(waker);
    }
}

/// Resolves with a place, or with why there will be none.
pub(crate) struct Acquire<'a, J: Send + 'static> {
    permits: &'a Arc<Permits>,
    pool: &'a Arc<Dispatcher<J>>,
    /// When it began to wait.
    since: Option<u64>,
    key: Key,
}

impl<J: Send + 'static> Future for Acquire<'_, J> {
    type Output = Result<Permit, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        // One lock for the look and the waker: a place that is given back later, and a
        // close that comes later, wake it.
        let mut state = this.permits.state.lock();
        if let Some(free) = state.free.checked_sub(1) {
            state.free = free;
            return Poll::Ready(Ok(Permit(Arc::clone(this.permits))));
        }
        if this.pool.queue.is_closed() {
            return Poll::Ready(Err(Reason::Closed));
        }
        if this.since.is_none() {
            let options = &this.pool.options;
            if this.pool.identity.is_within() {
                return Poll::Ready(Err(Reason::Nested));
            }
            if state.waiting >= options.max_blocked {
                return Poll::Ready(Err(options.reason_not_to_block()));
            }
            state.waiting += 1;
            this.since = Some(this.pool.clock.now());
        }
        let replaced = state.wakers.leave(&mut this.key, waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl<J: Send + 'static> Drop for Acquire<'_, J> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            let mut state = self.permits.state.lock();
            state.waiting -= 1;
            let waker = self.key.and_then(|key| state.wakers.remove(key));
            drop(state);
            drop(waker);
            self.pool.record_blocked(since);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        // All of them look: who was woken and gave up cannot keep it to itself.
        self.0.wake_all();
    }
}
