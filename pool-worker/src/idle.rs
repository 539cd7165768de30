//! The workers: how many there are, which of them sleep, and who waits for the
//! last to leave.

use std::sync::Arc;
use std::task::Waker;

use crate::delay::Shard;
use crate::panic;
use crate::sync::{AtomicBool, Ordering};
use crate::wait::End;
use crate::wakers::Wakers;

/// What a worker has for as long as it lives, and its successor after it.
pub(crate) struct Seat {
    /// Where it records; none in a pool that does not.
    pub(crate) shard: Option<Arc<Shard>>,
    /// Set by whoever takes the worker from the stack, cleared by the worker.
    roused: AtomicBool,
}

impl Seat {
    pub(crate) fn new(shard: Option<Arc<Shard>>) -> Arc<Self> {
        Arc::new(Self {
            shard,
            roused: AtomicBool::new(false),
        })
    }

    /// Whether the sleeping worker was roused. Tells so once.
    pub(crate) fn take_rouse(&self) -> bool {
        // Acquire pairs with the Release in `Sleeper::rouse`. Only the worker
        // clears, so load and store need not be one step.
        let roused = self.roused.load(Ordering::Acquire);
        if roused {
            self.roused.store(false, Ordering::Relaxed);
        }
        roused
    }
}

/// A sleeping worker.
pub(crate) struct Sleeper {
    pub(crate) seat: Arc<Seat>,
    pub(crate) waker: Waker,
}

impl Sleeper {
    pub(crate) fn rouse(self) {
        self.seat.roused.store(true, Ordering::Release);
        panic::contain(|| self.waker.wake());
    }
}

/// Guarded by one lock of the dispatcher.
pub(crate) struct Workers {
    /// The most that may be, beside those that leave.
    pub(crate) capacity: usize,
    /// Of `count`, those that leave while the pool goes on.
    pub(crate) retiring: usize,
    /// The last to sleep is roused first: its cache is warm, and those at the
    /// bottom are the ones that are not needed.
    pub(crate) asleep: Vec<Sleeper>,
    /// No job is to start.
    pub(crate) paused: bool,
    /// Whether the queue holds its jobs back, for one reason or the other.
    pub(crate) held: bool,
    /// How many workers live, asleep or not.
    pub(crate) count: usize,
    /// Of `count`, those whose hook has yet to return, in a pool that has one.
    pub(crate) starting: usize,
    /// Seats of workers that left.
    pub(crate) vacant: Vec<Arc<Seat>>,
    /// How many seats were ever made.
    pub(crate) seats: usize,
    /// A closed pool is about to open, once its first worker is there.
    pub(crate) reopening: bool,
    /// The runtime took workers away.
    pub(crate) abandoned: bool,
    /// Wait until all have left.
    pub(crate) closers: Wakers,
    /// Wait until every accepted job has ended.
    pub(crate) idlers: Wakers,
}

impl Workers {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            retiring: 0,
            asleep: Vec::new(),
            paused: false,
            held: false,
            count: 0,
            starting: 0,
            vacant: Vec::new(),
            seats: 0,
            reopening: false,
            abandoned: false,
            closers: Wakers::default(),
            idlers: Wakers::default(),
        }
    }

    /// Those who wait for the end of the last job, if that was it.
    pub(crate) fn idlers_if(&mut self, is_idle: bool) -> impl Iterator<Item = Waker> + use<> {
        is_idle.then(|| self.idlers.take()).into_iter().flatten()
    }

    /// Those who wait for this.
    pub(crate) fn waiting_for(&mut self, end: End) -> &mut Wakers {
        match end {
            End::Idle => &mut self.idlers,
            End::Drained => &mut self.closers,
        }
    }

    /// Whether one more may be made. Those that leave take no job any more, and may be long
    /// about it: each has a successor meanwhile, where one is needed.
    pub(crate) fn may_grow(&self) -> bool {
        self.count - self.retiring < self.capacity
    }

    /// How many take jobs, or sleep until there are some: neither those that leave nor
    /// those that have yet to see to their hook, which may take long.
    pub(crate) fn at_work(&self) -> usize {
        self.count - self.retiring - self.starting
    }

    pub(crate) fn has_surplus(&self) -> bool {
        self.at_work() > self.capacity
    }
}
