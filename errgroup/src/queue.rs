//! What waits in a limited group: tasks, and callers who wait for a slot.

use std::collections::VecDeque;
use std::task::Waker;

/// The waiting side of a group; all of it is guarded by one lock.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    /// Slots there are; `usize::MAX` is no limit.
    pub(crate) limit: usize,
    /// Tasks that wait for a slot, oldest first.
    pub(crate) pending: VecDeque<J>,
    pub(crate) callers: Callers,
    /// Who awaits the last task.
    pub(crate) join: Option<Waker>,
}

/// Callers of `spawn_wait`, each under a number of its own.
///
/// A slot is handed over, not thrown among them: the granted caller owns it
/// until it starts its task or goes away, so nobody can overtake it.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
    granted: Vec<u64>,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            limit: usize::MAX,
            pending: VecDeque::new(),
            callers: Callers::default(),
            join: None,
        }
    }

    /// Nobody is ahead of a newcomer.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.callers.waiting.is_empty()
    }
}

impl Callers {
    /// Registers, or renews the waker of, the caller `number`.
    pub(crate) fn register(&mut self, number: &mut Option<u64>, waker: &Waker) {
        if let Some(number) = *number
            && let Some((_, old)) = self.waiting.iter_mut().find(|(n, _)| *n == number)
        {
            old.clone_from(waker);
            return;
        }
        *number = Some(self.next);
        self.waiting.push_back((self.next, waker.clone()));
        self.next += 1;
    }

    /// Gives the oldest caller a slot.
    pub(crate) fn grant(&mut self) -> Option<Waker> {
        let (number, waker) = self.waiting.pop_front()?;
        self.granted.push(number);
        Some(waker)
    }

    /// Whether `number` owns a slot; it is no longer known here afterwards.
    pub(crate) fn redeem(&mut self, number: u64) -> bool {
        match self.granted.iter().position(|n| *n == number) {
            Some(at) => {
                self.granted.swap_remove(at);
                true
            }
            None => false,
        }
    }

    /// Forgets `number`; true if it owned a slot, which is now the caller's to
    /// give back.
    pub(crate) fn leave(&mut self, number: u64) -> bool {
        self.waiting.retain(|(n, _)| *n != number);
        self.redeem(number)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes all who wait; who was granted a slot keeps it.
    pub(crate) fn take(&mut self) -> VecDeque<(u64, Waker)> {
        std::mem::take(&mut self.waiting)
    }
}
