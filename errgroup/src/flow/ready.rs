//! Nodes that are ready, and how many drivers look for them.

use std::collections::VecDeque;
use std::mem;

use crate::sync::{Mutex, lock};

/// The most that a driver takes at once.
const BATCH: usize = 4;

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

impl Ready {
    pub(super) fn new(limit: usize, workers: usize) -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            limit,
            workers,
        }
    }

    /// Whether one more driver is of use: then it is counted; start it.
    fn wants_driver(&self, queue: &mut Queue) -> bool {
        let looking = queue.drivers - queue.waiting;
        // Who looks takes what is there in batches, so that one more is of use
        // only for more than those who look will take next.
        let wanted = queue.nodes.len() > looking.saturating_sub(1)
            && queue.drivers < self.limit
            && looking < self.workers;
        queue.drivers += usize::from(wanted);
        wanted
    }

    /// Adds ready nodes; whether to start a driver.
    pub(super) fn add(&self, nodes: impl IntoIterator<Item = usize>) -> bool {
        let mut queue = lock(&self.queue);
        queue.nodes.extend(nodes);
        self.wants_driver(&mut queue)
    }

    /// Fills `batch`, or lets the driver go: false. Then whether to start
    /// another driver.
    pub(super) fn take(&self, batch: &mut VecDeque<usize>) -> (bool, bool) {
        let mut queue = lock(&self.queue);
        let share = queue.nodes.len().div_ceil(2 * self.workers).min(BATCH);
        batch.extend(queue.nodes.drain(..share));
        if share == 0 {
            queue.drivers -= 1;
        }
        (share > 0, self.wants_driver(&mut queue))
    }

    /// A driver's node has to wait: what else it has goes back, to the front.
    /// Whether to start a driver.
    pub(super) fn wait(&self, batch: &mut VecDeque<usize>) -> bool {
        let mut queue = lock(&self.queue);
        queue.waiting += 1;
        if !batch.is_empty() {
            let later = mem::replace(&mut queue.nodes, mem::take(batch));
            queue.nodes.extend(later);
        }
        self.wants_driver(&mut queue)
    }

    /// The driver's node does not wait any more.
    pub(super) fn resume(&self) {
        lock(&self.queue).waiting -= 1;
    }
}
