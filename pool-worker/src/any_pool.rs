//! What every pool is, whatever its engine and its jobs.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::dispatcher::Dispatcher;
use crate::error::CloseError;
use crate::histogram::Merged;
use crate::options::sealed::Sealed;
use crate::overload::ControlStats;
use crate::stats::Stats;

/// A pool of either engine, whatever its jobs are.
pub trait AnyPool: Sealed + Send + Sync {
    #[doc(hidden)]
    fn core(&self) -> &dyn Core;
    /// The same, to be kept.
    #[doc(hidden)]
    fn keep(&self) -> Box<dyn Core>;
}

/// A dispatcher, whatever its jobs are.
pub trait Core: Send + Sync {
    fn name(&self) -> &str;
    fn stats(&self) -> Stats;
    /// By class, of a pool that is controlled.
    fn control(&self) -> Option<ControlStats> {
        None
    }
    /// Blocked, queued, ran.
    fn recorded(&self) -> [Merged; 3];
    /// Of what was recorded, in nanoseconds.
    fn tick(&self) -> f64;
    fn oldest(&self) -> Option<std::time::Duration>;
    fn unfinished(&self) -> usize;
    fn close(&self) -> Result<(), CloseError>;
    fn is_within(&self) -> bool;
    fn poll_drained(&self, waker: &Waker) -> Poll<()>;
    fn poll_idle(&self, waker: &Waker) -> Poll<()>;
}

impl<J: Send + 'static> Core for Arc<Dispatcher<J>> {
    fn name(&self) -> &str {
        &self.options.name
    }
    fn stats(&self) -> Stats {
        Dispatcher::stats(self)
    }
    fn recorded(&self) -> [Merged; 3] {
        let recorder = &self.recorder;
        [recorder.blocked(), recorder.queued(), recorder.ran()]
    }
    fn tick(&self) -> f64 {
        self.clock.tick()
    }
    fn oldest(&self) -> Option<std::time::Duration> {
        Dispatcher::oldest(self)
    }
    fn unfinished(&self) -> usize {
        self.queue.counts().unfinished as usize
    }
    fn close(&self) -> Result<(), CloseError> {
        Dispatcher::close(self)
    }
    fn is_within(&self) -> bool {
        Dispatcher::is_within(self)
    }
    fn poll_drained(&self, waker: &Waker) -> Poll<()> {
        Dispatcher::poll_drained(self, waker)
    }
    fn poll_idle(&self, waker: &Waker) -> Poll<()> {
        Dispatcher::poll_idle(self, waker)
    }
}

/// Resolves when this is so of all pools at one look.
pub(crate) fn all<'a, P: AnyPool>(
    pools: &'a [P],
    poll: impl Fn(&dyn Core, &Waker) -> Poll<()> + Unpin + 'a,
) -> impl Future<Output = ()> + Unpin + 'a {
    poll_fn(move |cx| {
        for pool in pools {
            // Leaves the waker with the first that is not; that one comes back.
            if poll(pool.core(), cx.waker()).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    })
}
