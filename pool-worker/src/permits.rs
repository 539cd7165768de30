//! The places of a sub-pool.

use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::sync::Mutex;

struct State {
    free: usize,
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
    /// # Panics
    /// When `limit` is 0.
    pub(crate) fn new(name: &str, limit: usize) -> Arc<Self> {
        assert!(limit > 0, "the limit of a sub-pool is at least 1");
        let state = State {
            free: limit,
            wakers: Vec::new(),
        };
        Arc::new(Self {
            name: Arc::from(name),
            limit,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.limit - self.state.lock().free
    }

    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.state.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Permit(Arc::clone(self)))
    }

    pub(crate) fn poll_acquire(self: &Arc<Self>, waker: &Waker) -> Poll<Permit> {
        self.poll(waker, |free| *free > 0).map(|mut state| {
            state.free -= 1;
            Permit(Arc::clone(self))
        })
    }

    /// Whether no place is taken.
    pub(crate) fn poll_idle(&self, waker: &Waker) -> Poll<()> {
        self.poll(waker, |free| *free == self.limit).map(drop)
    }

    /// One lock for the look and the waker: what is given back later wakes it.
    fn poll(
        &self,
        waker: &Waker,
        reached: impl FnOnce(&usize) -> bool,
    ) -> Poll<crate::sync::MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        if reached(&state.free) {
            return Poll::Ready(state);
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.free += 1;
        // All of them look: who was woken and gave up cannot keep it to itself.
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}
