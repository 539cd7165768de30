//! The line of blocked submitters.

use std::collections::BTreeMap;
use std::task::Waker;

/// A blocked submitter. Its job lies here, so that the worker that makes room
/// can accept it at once, without waiting for the submitter to wake.
pub(crate) struct Blocked<J> {
    pub(crate) job: J,
    pub(crate) since: u64,
    /// Gone once it is on its way: what was woken comes to look.
    pub(crate) waker: Option<Waker>,
}

/// First come, first served. A submitter that is no longer in the line was
/// accepted; to give up is to leave the line with the job. Both are decided
/// under the lock that guards this.
pub(crate) struct Line<J> {
    blocked: BTreeMap<u64, Blocked<J>>,
    next: u64,
}

impl<J> Line<J> {
    pub(crate) fn new() -> Self {
        Self {
            blocked: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocked.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocked.is_empty()
    }

    /// Joins at the end; the place names the submitter from here on.
    pub(crate) fn join(&mut self, blocked: Blocked<J>) -> u64 {
        let place = self.next;
        self.next += 1;
        self.blocked.insert(place, blocked);
        place
    }

    /// The first leaves, to be accepted.
    pub(crate) fn pop(&mut self) -> Option<Blocked<J>> {
        self.blocked.pop_first().map(|(_, blocked)| blocked)
    }

    pub(crate) fn get_mut(&mut self, place: u64) -> Option<&mut Blocked<J>> {
        self.blocked.get_mut(&place)
    }

    /// Gives up; `None` if accepted already.
    pub(crate) fn leave(&mut self, place: u64) -> Option<Blocked<J>> {
        self.blocked.remove(&place)
    }

    /// Takes the wakers of all, who stay in the line.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let wakers = self.blocked.values_mut().map(|b| b.waker.take());
        wakers.flatten().collect()
    }
}
