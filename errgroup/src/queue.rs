//! The tasks that wait for a runner, oldest first.
//!
//! Some lie in a ring, the rest in an endless queue behind it. Who takes from the ring looks
//! at what lies there and no further. In the endless one it has to look how far that
//! reaches, which whoever puts a task down has just written; so it serves for what the ring
//! does not hold.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;

use crate::sync::{ArrayQueue, AtomicUsize, SegQueue};

/// Tasks in the ring, for which the first task pays.
const RING: usize = if cfg!(loom_models) { 1 } else { 64 };

/// Of so many tasks that go beyond the ring one looks whether the next may go into it.
const LOOK_EACH: usize = if cfg!(loom_models) { 1 } else { 16 };

#[derive(Debug)]
pub(crate) struct Queue<J> {
    ring: OnceLock<ArrayQueue<J>>,
    beyond: SegQueue<J>,
    /// Tasks that went beyond the ring since it was too small, about; 0 if it is not. It
    /// spares looks, and nothing relies on it.
    flood: CachePadded<AtomicUsize>,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            ring: OnceLock::new(),
            beyond: SegQueue::new(),
            flood: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    /// Puts a task behind all that this thread has put down, or has seen put down.
    #[inline]
    pub(crate) fn push(&self, job: J) {
        let flood = self.flood.load(Relaxed);
        if !flood.is_multiple_of(LOOK_EACH) || !self.beyond.is_empty() {
            return self.push_beyond(job, flood);
        }
        let ring = self.ring.get_or_init(|| ArrayQueue::new(RING));
        match ring.push(job) {
            Ok(()) if flood > 0 => self.flood.store(0, Relaxed),
            Ok(()) => {}
            Err(job) => self.push_beyond(job, flood),
        }
    }

    fn push_beyond(&self, job: J, flood: usize) {
        self.flood.store(flood + 1, Relaxed);
        self.beyond.push(job);
    }

    /// The oldest task. None may mean that one is about to be put down.
    ///
    /// Those who take at the same time may get two tasks in either order, as they may run
    /// them.
    #[inline]
    pub(crate) fn pop(&self) -> Option<J> {
        // Before the ring: what comes to lie beyond it later may come after what then is in it.
        let none_beyond = self.beyond.is_empty();
        let ring = self.ring.get()?;
        if none_beyond || !ring.is_empty() {
            ring.pop()
        } else {
            self.beyond.pop()
        }
    }
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use std::thread;

    use super::*;

    /// First the one is ahead by more than the ring holds, and then the other catches up.
    #[test]
    fn tasks_come_in_order_wherever_they_lie() {
        const TASKS: usize = 200_000;
        const AHEAD: usize = 3 * RING;
        let queue = Queue::new();
        (0..AHEAD).for_each(|task| queue.push(task));
        thread::scope(|scope| {
            scope.spawn(|| {
                for task in AHEAD..TASKS {
                    queue.push(task);
                    if task % 500 == 0 {
                        thread::yield_now();
                    }
                }
            });
            for task in 0..TASKS {
                let taken = loop {
                    match queue.pop() {
                        Some(taken) => break taken,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(taken, task);
            }
        });
        assert_eq!(queue.pop(), None);
    }
}
