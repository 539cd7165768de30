//! What every pool is, whatever its engine and its jobs.

use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::dispatcher::Dispatcher;
use crate::error::{CloseError, ReopenError};
use crate::histogram::Merged;
use crate::identity::Identity;
use crate::options::sealed::Sealed;
use crate::overload::ControlStats;
use crate::stats::Stats;
use crate::wait::End;
use crate::wakers::Key;

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
    /// Of each priority that had jobs: how long those waited that were run, and those that
    /// were accepted and not run.
    #[cfg(feature = "prometheus")]
    fn recorded_by_class(&self) -> Vec<(u8, [Merged; 2])> {
        Vec::new()
    }
    /// Of what was recorded, in nanoseconds.
    fn tick(&self) -> f64;
    fn oldest(&self) -> Option<std::time::Duration>;
    fn unfinished(&self) -> usize;
    fn close(&self) -> Result<(), CloseError>;
    fn is_closed(&self) -> bool;
    fn reopen(&self) -> Result<(), ReopenError>;
    fn set_capacity(&self, capacity: usize);
    fn identity(&self) -> &Identity;
    fn poll_end(&self, end: End, key: &mut Key, waker: &Waker) -> Poll<()>;
    fn forget(&self, end: End, key: u64);
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
    fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
    fn reopen(&self) -> Result<(), ReopenError> {
        Dispatcher::reopen(self)
    }
    fn set_capacity(&self, capacity: usize) {
        Dispatcher::set_capacity(self, capacity);
    }
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn poll_end(&self, end: End, key: &mut Key, waker: &Waker) -> Poll<()> {
        Dispatcher::poll_end(self, end, key, waker)
    }
    fn forget(&self, end: End, key: u64) {
        Dispatcher::forget(self, end, key);
    }
}
