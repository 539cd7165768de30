//! Jobs that are waited for together.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::any_pool::{AnyPool, Core};
use crate::block_on::block_on;
use crate::sync::Mutex;
use crate::wait::{Event, Wait};
use crate::wakers::{Key, Wakers, wake_all};

/// What became of the jobs of a [`Batch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchOutcome {
    /// Came to their end.
    pub ran: usize,
    /// Panicked.
    pub panicked: usize,
    /// Were dropped without having run: rejected, displaced, or given up.
    pub dropped: usize,
}

#[derive(Default)]
struct State {
    open: usize,
    outcome: BatchOutcome,
    waiters: Wakers,
}

/// Jobs of any pools, of either engine, that are waited for together: what a
/// `sync.WaitGroup` around each job is in Go, where nothing can be forgotten.
///
/// ```
/// use pool_worker::{Batch, threads::Pool};
///
/// let pool = Pool::new(2);
/// let batch = Batch::new();
/// for n in 0..10 {
///     pool.submit(batch.job(move || println!("{n}")))?;
/// }
/// assert_eq!(batch.wait().ran, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Batch {
    state: Arc<Mutex<State>>,
    /// Where its jobs go, if that was told.
    pool: Option<Arc<dyn Core>>,
}

impl Batch {
    /// One without jobs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose jobs go to `pool`: a job of that pool that waits for it is told so,
    /// where it would wait for ever if the pool's workers all did the same.
    #[must_use]
    pub fn of(pool: &impl AnyPool) -> Self {
        Self {
            pool: Some(pool.keep().into()),
            ..Self::default()
        }
    }

    /// A closure that is one of the batch from now on, until it has run or is
    /// dropped.
    pub fn job<F: FnOnce()>(&self, job: F) -> impl FnOnce() + use<F> {
        let ticket = self.ticket();
        move || {
            job();
            ticket.ran();
        }
    }

    /// A future that is one of the batch from now on, until it has come to its
    /// end or is dropped.
    pub fn future<F: Future<Output = ()>>(&self, job: F) -> impl Future<Output = ()> + use<F> {
        let ticket = self.ticket();
        async move {
            // Captured even by a future that is never polled.
            let ticket = ticket;
            job.await;
            ticket.ran();
        }
    }

    /// One of the batch, to go with the argument of a function pool.
    pub fn ticket(&self) -> Ticket {
        self.state.lock().open += 1;
        Ticket {
            state: Arc::clone(&self.state),
            ran: false,
        }
    }

    /// Blocks until no job of the batch is left. Not for a job of a pool that
    /// has jobs of the batch: nobody finds that out, unless it is a batch
    /// [`of`](Self::of) that pool.
    ///
    /// # Panics
    /// In a job of the pool that the batch is of.
    pub fn wait(&self) -> BatchOutcome {
        self.assert_not_within();
        let mut ended = Wait::new(self);
        loop {
            if let Some(outcome) = block_on(&mut ended, None) {
                return outcome;
            }
        }
    }

    /// As [`wait`](Self::wait), for at most `limit`; `None` if a job is left by then.
    ///
    /// # Panics
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Option<BatchOutcome> {
        self.assert_not_within();
        block_on(&mut Wait::new(self), Some(limit))
    }

    /// Resolves when no job of the batch is left. Dropped, it waits no more.
    ///
    /// # Panics
    /// As [`wait`](Self::wait).
    pub async fn ended(&self) -> BatchOutcome {
        self.assert_not_within();
        Wait::new(self).await
    }

    fn assert_not_within(&self) {
        let within = self
            .pool
            .as_ref()
            .filter(|pool| pool.identity().is_within());
        if let Some(pool) = within {
            panic!("a job of pool {:?} waits for others of it", pool.name());
        }
    }
}

/// No job is left.
impl Event for &Batch {
    type Output = BatchOutcome;

    fn poll(&self, key: &mut Key, waker: &Waker) -> Poll<BatchOutcome> {
        let waker = waker.clone();
        let mut state = self.state.lock();
        if state.open == 0 {
            return Poll::Ready(state.outcome);
        }
        let replaced = state.waiters.leave(key, waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    fn forget(&self, key: u64) {
        let waker = self.state.lock().waiters.remove(key);
        drop(waker);
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Batch")
            .field("open", &state.open)
            .field("outcome", &state.outcome)
            .finish_non_exhaustive()
    }
}

/// One job of a [`Batch`], until it is dropped.
#[must_use = "a ticket that is dropped is a job that was dropped"]
pub struct Ticket {
    state: Arc<Mutex<State>>,
    ran: bool,
}

impl Ticket {
    /// The job has come to its end.
    pub fn ran(mut self) {
        self.ran = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        let outcome = &mut state.outcome;
        let count = if self.ran {
            &mut outcome.ran
        } else if std::thread::panicking() {
            &mut outcome.panicked
        } else {
            &mut outcome.dropped
        };
        *count += 1;
        state.open -= 1;
        let waiters = (state.open == 0).then(|| state.waiters.take());
        drop(state);
        wake_all(waiters.into_iter().flatten());
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}
