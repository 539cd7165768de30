//! Nodes that are ready, and how many drivers look for them.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use crate::sync::{Mutex, lock};

/// What a driver takes at once: so much work, as far as it can be known, and at most so
/// many nodes.
const BATCH: (Duration, usize) = (Duration::from_micros(10), 16);

/// Work for which it is worth to wake a thread and to share it from then on.
pub(super) const WORTH: Duration = Duration::from_micros(100);

/// New nodes, if they are no more than this, have another driver called whatever they
/// seem to be worth, as they may be of another kind than the last one was.
const FEW: usize = if cfg!(loom_models) { 2 } else { 8 };

/// The pace of somebody who knows none.
pub(super) const UNKNOWN: Duration = Duration::MAX;

/// A queue and the drivers who empty it, under one lock, so that nobody goes
/// while there is something left that nobody else is called for.
#[derive(Debug)]
pub(super) struct Ready {
    queue: Mutex<Queue>,
    /// Nodes that may run at once, hence drivers.
    limit: usize,
    /// Drivers that can be of use at once for nodes that do not wait.
    workers: usize,
}

#[derive(Debug, Default)]
struct Queue {
    nodes: VecDeque<usize>,
    drivers: usize,
    /// Drivers whose node has to wait.
    waiting: usize,
}

impl Queue {
    fn put_first(&mut self, batch: &mut VecDeque<usize>) {
        if !batch.is_empty() {
            let later = mem::replace(&mut self.nodes, mem::take(batch));
            self.nodes.extend(later);
        }
    }
}

impl Ready {
    pub(super) fn new(limit: usize, workers: usize) -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            limit,
            workers,
        }
    }

    /// Whether one more driver is of use: then it is counted; start it. If not, the one
    /// who asks goes on by itself.
    fn wants_driver(&self, queue: &mut Queue, pace: Duration) -> bool {
        let looking = queue.drivers - queue.waiting;
        // Who looks takes what is there in batches, so that one more is of use
        // only for more than those who look will take next.
        let nodes = queue.nodes.len();
        let wanted = nodes > looking.saturating_sub(1)
            && queue.drivers < self.limit
            && looking < self.workers
            && pace >= WORTH / u32::try_from(nodes).unwrap_or(u32::MAX);
        queue.drivers += usize::from(wanted);
        wanted
    }

    /// Adds ready nodes, by a driver whose last node took `pace`; whether to start a
    /// driver.
    pub(super) fn add(&self, nodes: impl IntoIterator<Item = usize>, pace: Duration) -> bool {
        let mut queue = lock(&self.queue);
        queue.nodes.extend(nodes);
        let few = queue.nodes.len() <= FEW;
        self.wants_driver(&mut queue, if few { UNKNOWN } else { pace })
    }

    /// Fills `batch`, or lets the driver go, whose last node took `pace`: false. Then
    /// whether to start another driver.
    pub(super) fn take(&self, batch: &mut VecDeque<usize>, pace: Duration) -> (bool, bool) {
        let mut queue = lock(&self.queue);
        let (work, most) = BATCH;
        let few = work.as_nanos() / pace.as_nanos().max(1);
        let most = usize::try_from(few).unwrap_or(most).clamp(1, most);
        let share = queue.nodes.len().div_ceil(2 * self.workers).min(most);
        batch.extend(queue.nodes.drain(..share));
        if share == 0 {
            queue.drivers -= 1;
        }
        (share > 0, self.wants_driver(&mut queue, pace))
    }

    /// A driver whose last node took `pace` lets others have what it took with it.
    /// Whether to start a driver.
    pub(super) fn give_back(&self, batch: &mut VecDeque<usize>, pace: Duration) -> bool {
        let mut queue = lock(&self.queue);
        queue.put_first(batch);
        self.wants_driver(&mut queue, pace)
    }

    /// A driver's node has to wait: what else it has goes back. Whether to start a
    /// driver.
    pub(super) fn wait(&self, batch: &mut VecDeque<usize>) -> bool {
        let mut queue = lock(&self.queue);
        queue.waiting += 1;
        queue.put_first(batch);
        self.wants_driver(&mut queue, UNKNOWN)
    }

    /// The driver's node does not wait any more.
    pub(super) fn resume(&self) {
        lock(&self.queue).waiting -= 1;
    }
}
