//! The tasks that wait for a runner, oldest first.
//!
//! Some lie in a ring, the rest in an endless queue behind it. Who takes from the ring looks
//! at what lies there and no further. In the endless one it has to look how far that
//! reaches, which whoever puts a task down has just written; so it serves for what the ring
//! does not hold.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

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
    put: CachePadded<Put>,
    /// How many tasks were ever taken from beyond the ring.
    taken: CachePadded<AtomicUsize>,
}

/// What only those write who put tasks down, and only while the ring is too small.
#[derive(Debug)]
struct Put {
    /// How many tasks ever went beyond the ring, or are about to.
    begun: AtomicUsize,
    /// How many of them lie there, or did.
    done: AtomicUsize,
    /// How many had begun, and were all taken, when somebody looked.
    drained: AtomicUsize,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            ring: OnceLock::new(),
            beyond: SegQueue::new(),
            put: CachePadded::new(Put {
                begun: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
                drained: AtomicUsize::new(0),
            }),
            taken: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    /// Puts a task behind all that this thread has put down, or has seen put down.
    #[inline]
    pub(crate) fn push(&self, job: J) {
        if !self.is_drained() {
            return self.push_beyond(job);
        }
        let ring = self.ring.get_or_init(|| ArrayQueue::new(RING));
        if let Err(job) = ring.push(job) {
            self.push_beyond(job);
        }
    }

    fn push_beyond(&self, job: J) {
        self.put.begun.fetch_add(1, Relaxed);
        self.beyond.push(job);
        // Release: who sees this sees what was put into the ring before.
        self.put.done.fetch_add(1, Release);
    }

    /// Whether no task is left beyond the ring, of those that this thread knows of.
    #[inline]
    fn is_drained(&self) -> bool {
        let begun = self.put.begun.load(Relaxed);
        begun == self.put.drained.load(Relaxed)
            || (begun.is_multiple_of(LOOK_EACH) && self.look(begun))
    }

    #[inline(never)]
    fn look(&self, begun: usize) -> bool {
        let drained = self.taken.load(Relaxed) == begun;
        if drained {
            self.put.drained.store(begun, Relaxed);
        }
        drained
    }

    /// The oldest task. None may mean that one is about to be put down.
    ///
    /// Those who take at the same time may get two tasks in either order, as they may run
    /// them.
    #[inline]
    pub(crate) fn pop(&self) -> Option<J> {
        // Before the ring is looked at: what comes to lie beyond it later may come after what
        // then is in it.
        let beyond = self.put.done.load(Acquire);
        let in_ring = self.ring.get().and_then(ArrayQueue::pop);
        in_ring.or_else(|| self.pop_beyond(beyond))
    }

    #[inline(never)]
    fn pop_beyond(&self, beyond: usize) -> Option<J> {
        if self.taken.load(Relaxed) == beyond {
            return None;
        }
        let job = self.beyond.pop()?;
        self.taken.fetch_add(1, Relaxed);
        Some(job)
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
