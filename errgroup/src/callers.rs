//! Callers who wait for room in a group, and who awaits its end.

use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

/// Callers of `spawn_wait`, each under a number of its own, in the order they
/// came.
///
/// A caller is *told* that there is room, and takes it when it is polled. As
/// long as somebody is told or waits, newcomers queue up behind, so nobody is
/// overtaken by another caller.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    next: u64,
    /// By number, as is `told`: who is looked for is mostly near the front.
    waiting: VecDeque<(u64, Waker)>,
    told: VecDeque<u64>,
    /// Who awaits the last task.
    pub(crate) join: Option<Waker>,
}

impl Callers {
    /// Registers a newcomer, or renews the waker of the caller `number`; the waker that
    /// this takes the place of comes back, to be dropped outside the lock.
    pub(crate) fn register(&mut self, number: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let Some(number) = *number else {
            self.waiting.push_back((self.next, waker.clone()));
            *number = Some(self.next);
            self.next += 1;
            return None;
        };
        match self.find(number) {
            Ok(at) if self.waiting[at].1.will_wake(waker) => None,
            Ok(at) => Some(mem::replace(&mut self.waiting[at].1, waker.clone())),
            // It was told, and the room was gone again: it goes back to its place.
            Err(at) => {
                self.waiting.insert(at, (number, waker.clone()));
                None
            }
        }
    }

    /// Where the caller waits, or would.
    fn find(&self, number: u64) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&number, |(n, _)| *n)
    }

    /// Tells the oldest caller; wake it outside of the lock.
    pub(crate) fn tell(&mut self) -> Option<Waker> {
        let (number, waker) = self.waiting.pop_front()?;
        let at = self.told.partition_point(|told| *told < number);
        self.told.insert(at, number);
        Some(waker)
    }

    /// Whether `number` was told; if so it is not known here any more.
    pub(crate) fn redeem(&mut self, number: u64) -> bool {
        let found = self.told.binary_search(&number);
        found.is_ok_and(|at| self.told.remove(at).is_some())
    }

    /// The waker is to be dropped outside the lock.
    pub(crate) fn forget(&mut self, number: u64) -> Option<Waker> {
        self.redeem(number);
        let at = self.find(number).ok()?;
        self.waiting.remove(at).map(|(_, waker)| waker)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Callers who were told and have not come yet.
    pub(crate) fn told(&self) -> usize {
        self.told.len()
    }

    /// Takes all who wait, because nothing will start any more.
    pub(crate) fn take(&mut self) -> VecDeque<(u64, Waker)> {
        mem::take(&mut self.waiting)
    }
}
