//! The places of a sub-pool.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::dispatcher::Dispatcher;
use crate::error::{Reason, SubmitError};
use crate::sync::Mutex;

struct State {
    free: usize,
    /// Submitters that wait for a place.
    waiting: usize,
    /// Wait for a place, or for all of them.
    wakers: Vec<Waker>,
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
            wakers: Vec::new(),
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

    /// Whether no place is taken.
    pub(crate) fn poll_idle(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.state.lock();
        if state.free == self.limit {
            return Poll::Ready(());
        }
        state.remember(waker);
        Poll::Pending
    }

    /// Lets everyone who waits look again.
    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.state.lock().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn remember(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

/// Resolves with a place, or with why there will be none.
pub(crate) struct Acquire<'a, J: Send + 'static> {
    permits: &'a Arc<Permits>,
    pool: &'a Arc<Dispatcher<J>>,
    /// When it began to wait.
    since: Option<u64>,
}

impl<J: Send + 'static> Future for Acquire<'_, J> {
    type Output = Result<Permit, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
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
            if this.pool.is_within() {
                return Poll::Ready(Err(Reason::Nested));
            }
            if state.waiting >= options.max_blocked {
                return Poll::Ready(Err(options.reason_not_to_block()));
            }
            state.waiting += 1;
            this.since = Some(this.pool.clock.now());
        }
        state.remember(cx.waker());
        Poll::Pending
    }
}

impl<J: Send + 'static> Drop for Acquire<'_, J> {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            self.permits.state.lock().waiting -= 1;
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
