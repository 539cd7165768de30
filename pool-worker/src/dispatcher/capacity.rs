//! A capacity that changes while jobs run.

use std::sync::Arc;

use super::Dispatcher;
use crate::idle::{Sleeper, Workers};
use crate::overload::Resize;

impl<J: Send + 'static> Dispatcher<J> {
    /// Holds jobs back for as long as the pool is paused or more workers take jobs than the
    /// capacity allows. To be called under the lock after any of that has changed: who
    /// comes after this step takes no job too many.
    pub(super) fn hold(&self, workers: &mut Workers) {
        let held = workers.paused || workers.has_surplus();
        if held != workers.held {
            workers.held = held;
            self.queue.hold(held);
        }
    }

    /// Lets so many jobs run at once from now on.
    pub(crate) fn set_capacity(self: &Arc<Self>, capacity: usize) {
        let most = self.options.max_capacity();
        assert!(
            (1..=most).contains(&capacity),
            "the capacity of pool {:?} is between 1 and {most}",
            self.options.name
        );
        let mut workers = self.workers.lock();
        workers.capacity = capacity;
        self.queue.set_limit(self.options.limit(capacity));
        self.hold(&mut workers);
        let surplus = workers.at_work().saturating_sub(capacity);
        let asleep = surplus.min(workers.asleep.len());
        // The bottom of the stack: those that slept longest.
        let roused: Vec<_> = workers.asleep.drain(..asleep).collect();
        drop(workers);
        roused.into_iter().for_each(Sleeper::rouse);
        // Where there is more room now, nobody else comes to tell.
        self.admit_line();
        self.relay();
    }

    /// Sets the capacity, for as long as the pool is there.
    pub(crate) fn resizer(self: &Arc<Self>) -> Resize {
        let dispatcher = Arc::downgrade(self);
        Box::new(move |capacity| {
            if let Some(dispatcher) = dispatcher.upgrade() {
                dispatcher.set_capacity(capacity);
            }
        })
    }
}
