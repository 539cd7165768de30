//! A queue in memory for one consumer, which takes things away for good only when it is
//! done with them.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// First come, first served, one parcel at a time: what was not done with goes back to the
/// front, so that nothing overtakes what came before it.
#[derive(Debug)]
pub(super) struct Lane<T> {
    state: Mutex<State<T>>,
    /// Told when something came into an empty lane, and when it was closed.
    changed: Notify,
    /// Told when there is nothing left.
    emptied: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// With the consumer.
    taken: usize,
    closed: bool,
}

impl<T> Lane<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                taken: 0,
                closed: false,
            }),
            changed: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// How many there are, those with the consumer included.
    pub(super) fn len(&self) -> usize {
        let state = self.state.lock();
        state.waiting.len() + state.taken
    }

    /// Puts one in, unless there are `most` already: false then.
    pub(super) fn push(&self, one: T, most: usize) -> bool {
        let mut state = self.state.lock();
        if state.waiting.len() + state.taken >= most {
            return false;
        }
        state.waiting.push_back(one);
        let first = state.waiting.len() == 1;
        drop(state);
        // The consumer sleeps only when nothing waits.
        if first {
            self.changed.notify_one();
        }
        true
    }

    /// The consumer is to end when there is nothing left.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits until something waits; false if nothing does, and the lane is closed.
    pub(super) async fn has_more(&self) -> bool {
        loop {
            {
                let state = self.state.lock();
                if !state.waiting.is_empty() || state.closed {
                    return !state.waiting.is_empty();
                }
            }
            // What came since is not missed: it has left a permit.
            self.changed.notified().await;
        }
    }

    /// Waits until there is nothing left, neither here nor with the consumer.
    pub(super) async fn emptied(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // From here on the last one's end is not missed.
            emptied.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Takes the first of those that wait, `most` at most. By one consumer only.
    pub(super) fn take(&self, most: usize) -> Taken<'_, T> {
        let mut state = self.state.lock();
        let count = most.min(state.waiting.len());
        state.taken += count;
        Taken {
            lane: self,
            count,
            things: state.waiting.drain(..count).collect(),
        }
    }
}

/// What the consumer has at hand; when it is dropped, what is left of it goes back.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    lane: &'a Lane<T>,
    /// How many the lane thinks are out.
    count: usize,
    /// What was taken and is not done with.
    pub(super) things: Vec<T>,
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut state = self.lane.state.lock();
        state.taken -= self.count;
        for thing in self.things.drain(..).rev() {
            state.waiting.push_front(thing);
        }
        let empty = state.waiting.is_empty();
        drop(state);
        if empty {
            self.lane.emptied.notify_waiters();
        } else {
            self.lane.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_done_with_is_the_first_again() {
        let lane = Lane::new();
        assert!((0..5).all(|n| lane.push(n, 5)));
        assert!(!lane.push(5, 5), "it is full");
        let mut taken = lane.take(3);
        assert_eq!((&taken.things[..], lane.len()), (&[0, 1, 2][..], 5));
        assert!(!lane.push(5, 5), "those with the consumer count");
        taken.things.remove(0);
        drop(taken);
        assert_eq!(lane.len(), 4);
        assert!(lane.push(5, 5));
        assert_eq!(lane.take(9).things, [1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn it_is_empty_when_the_consumer_is_done_and_ends_when_it_is_closed() {
        let lane = Lane::new();
        lane.push(1, 9);
        lane.close();
        assert!(lane.has_more().await);
        let mut taken = lane.take(9);
        let mut emptied = std::pin::pin!(lane.emptied());
        assert!(futures::poll!(emptied.as_mut()).is_pending());
        taken.things.clear();
        drop(taken);
        emptied.await;
        assert!(!lane.has_more().await);
    }
}
