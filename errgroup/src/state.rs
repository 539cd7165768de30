//! The state machine of a group, free of any runtime: who may start, who waits,
//! when it is over. `DESIGN.md` has the protocol in prose and the proofs.
//!
//! Three locks and a word. The *verdict* lock guards the cause, the *queue*
//! lock all that waits, the *watchers* lock those who await the cancel. Only
//! `poll_join` holds two of them, the queue's and then the verdict's. Foreign
//! code (wakers, drops of tasks) runs outside the locks.
//!
//! `J` is a task that can wait.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use crate::cause::Cause;
use crate::queue::Queue;
use crate::stats::Stats;
use crate::sync::{AtomicUsize, Mutex, lock};
use crate::verdict::{Ending, Offered, Verdict};
use crate::wakers::Wakers;
use crate::word::Word;

#[derive(Debug)]
pub(crate) struct State<J, E> {
    word: Word,
    verdict: Mutex<Verdict<E>>,
    queue: Mutex<Queue<J>>,
    watchers: Mutex<Wakers>,
    not_started: AtomicUsize,
}

/// Answer to `enter`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A slot was taken: start the task.
    Admitted,
    /// The group has a limit: go through the queue.
    Limited,
    Cancelled,
    /// A slot was taken but the group changed: `leave`, and enter again.
    Changed,
}

/// Answer to `push`.
#[derive(Debug)]
pub(crate) enum Pushed<J> {
    /// A slot was taken: start this task, which need not be the pushed one.
    Start(J),
    Queued,
    Cancelled(J),
}

/// Answer to `try_slot`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A slot was taken: start the task.
    Taken,
    Full,
    Cancelled,
}

impl<J, E> State<J, E> {
    pub(crate) fn new() -> Self {
        Self {
            word: Word::new(),
            verdict: Mutex::new(Verdict::new()),
            queue: Mutex::new(Queue::new()),
            watchers: Mutex::new(Wakers::default()),
            not_started: AtomicUsize::new(0),
        }
    }

    /// Asks to start a task at once; the whole cost of admission when there is
    /// no limit.
    #[inline]
    pub(crate) fn enter(&self) -> Entry {
        let seen = self.word.load();
        if seen.is_cancelled() {
            return Entry::Cancelled;
        }
        if seen.is_limited() {
            return Entry::Limited;
        }
        let seen = self.word.add();
        if seen.is_cancelled() || seen.is_limited() {
            return Entry::Changed;
        }
        Entry::Admitted
    }

    /// Gives back a slot taken by `enter`, `claim` or a grant. If true, there
    /// may be somebody to take it: call `claim` until it gives nothing.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let seen = self.word.sub();
        if seen.active() == 1 && seen.is_joining() {
            self.wake_join();
        }
        seen.is_limited() && !seen.is_cancelled()
    }

    #[cold]
    #[inline(never)]
    fn wake_join(&self) {
        let waker = lock(&self.queue).join.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Pairs free slots with those who wait: returns a task together with a
    /// slot, or hands slots to waiting callers.
    pub(crate) fn claim(&self) -> Option<J> {
        let mut granted = Vec::new();
        let mut queue = lock(&self.queue);
        let mut job = None;
        while self.word.load().active() < queue.limit {
            job = queue.pending.pop_front();
            if job.is_none() {
                match queue.callers.grant() {
                    Some(waker) => granted.push(waker),
                    None => break,
                }
            }
            self.word.add();
            if job.is_some() {
                break;
            }
        }
        drop(queue);
        granted.into_iter().for_each(Waker::wake);
        job
    }

    /// Queues a task, and takes the oldest one out again if a slot is free.
    pub(crate) fn push(&self, job: J) -> Pushed<J> {
        let mut queue = lock(&self.queue);
        // The canceller sets the flag before it locks the queue to empty it, so
        // a task pushed behind its back cannot be: either the flag is seen here
        // or the task is taken out there.
        let seen = self.word.load();
        if seen.is_cancelled() {
            return Pushed::Cancelled(job);
        }
        if seen.active() >= queue.limit {
            queue.pending.push_back(job);
            return Pushed::Queued;
        }
        self.word.add();
        Pushed::Start(match queue.pending.pop_front() {
            None => job,
            Some(oldest) => {
                queue.pending.push_back(job);
                oldest
            }
        })
    }

    /// Takes a slot if one is free and nobody is ahead.
    pub(crate) fn try_slot(&self) -> Slot {
        let queue = lock(&self.queue);
        let seen = self.word.load();
        if seen.is_cancelled() {
            Slot::Cancelled
        } else if seen.active() < queue.limit && queue.is_empty() {
            self.word.add();
            Slot::Taken
        } else {
            Slot::Full
        }
    }

    /// Waits for a slot; the caller is known by the number stored in `number`,
    /// which `forget_slot` must hear of if the caller goes away before this is
    /// ready.
    pub(crate) fn poll_slot(&self, number: &mut Option<u64>, cx: &Context<'_>) -> Poll<Slot> {
        let mut queue = lock(&self.queue);
        let seen = self.word.load();
        // As in `push`: the flag is seen here, or the canceller finds the waker.
        if seen.is_cancelled() {
            return Poll::Ready(Slot::Cancelled);
        }
        if number.is_some_and(|number| queue.callers.redeem(number)) {
            *number = None;
            return Poll::Ready(Slot::Taken);
        }
        if number.is_none() && seen.active() < queue.limit && queue.is_empty() {
            self.word.add();
            return Poll::Ready(Slot::Taken);
        }
        queue.callers.register(number, cx.waker());
        Poll::Pending
    }

    /// Forgets a caller of `poll_slot`. If true, it owned a slot: `leave`.
    #[must_use]
    pub(crate) fn forget_slot(&self, number: u64) -> bool {
        lock(&self.queue).callers.leave(number)
    }

    /// Asked by the owner of a slot whose task is done: the next task to run in
    /// it. With `None` the slot is given up.
    pub(crate) fn next(&self) -> Option<J> {
        let mut queue = lock(&self.queue);
        let seen = self.word.load();
        // More active than the limit: it was lowered, and this slot is one too
        // many.
        if !seen.is_cancelled() && seen.active() <= queue.limit {
            if let Some(job) = queue.pending.pop_front() {
                return Some(job);
            }
            if let Some(waker) = queue.callers.grant() {
                drop(queue);
                waker.wake();
                return None;
            }
        }
        let seen = self.word.sub();
        let join = if seen.active() == 1 && seen.is_joining() {
            queue.join.take()
        } else {
            None
        };
        drop(queue);
        if let Some(waker) = join {
            waker.wake();
        }
        None
    }

    /// Changes the limit; `usize::MAX` is none. Call `claim` until it gives
    /// nothing.
    pub(crate) fn set_limit(&self, limit: usize) {
        let mut queue = lock(&self.queue);
        queue.limit = limit;
        self.word.set_limited(limit != usize::MAX);
    }

    /// Cancels for this reason, if it is the first. All that waits is woken;
    /// the tasks that were pending come back together with a slot (so that
    /// `join` waits for their drop): drop them, then `leave`.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub(crate) fn cancel(&self, reason: Cause<E>) -> Option<VecDeque<J>> {
        let unread = {
            let mut verdict = lock(&self.verdict);
            match verdict.offer(reason) {
                Offered::Late(unread) => Some(unread),
                Offered::First => {
                    // Cause first, flag second, and both before the lock is
                    // free: who sees the flag, and any other canceller who
                    // comes back from here, finds the cause.
                    self.word.set_cancelled();
                    None
                }
            }
        };
        if unread.is_some() {
            return None;
        }
        let (pending, callers) = {
            let mut queue = lock(&self.queue);
            self.word.add();
            (std::mem::take(&mut queue.pending), queue.callers.take())
        };
        self.count_not_started(pending.len());
        let watchers = lock(&self.watchers).take();
        watchers.for_each(Waker::wake);
        callers.into_iter().for_each(|(_, waker)| waker.wake());
        Some(pending)
    }

    /// Counts tasks that the cancel kept from starting.
    pub(crate) fn count_not_started(&self, tasks: usize) {
        self.not_started.fetch_add(tasks, Relaxed);
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.word.load().is_cancelled()
    }

    /// Reads the cause; always there once `is_cancelled`.
    pub(crate) fn with_cause<R>(&self, read: impl FnOnce(&Cause<E>) -> R) -> Option<R> {
        lock(&self.verdict).cause().map(read)
    }

    /// Waits for the cancel; `forget_cancelled` must hear of the key if the
    /// caller goes away.
    pub(crate) fn poll_cancelled(&self, key: &mut Option<usize>, cx: &Context<'_>) -> Poll<()> {
        if self.is_cancelled() {
            return Poll::Ready(());
        }
        let mut watchers = lock(&self.watchers);
        // Again, under the lock: the canceller sets the flag before it takes
        // the wakers.
        if self.is_cancelled() {
            return Poll::Ready(());
        }
        watchers.register(key, cx.waker());
        Poll::Pending
    }

    pub(crate) fn forget_cancelled(&self, key: usize) {
        lock(&self.watchers).remove(key);
    }

    /// Ready once nothing is active or pending; the group is closed in the same
    /// step, so that nothing can come after it.
    pub(crate) fn poll_join(&self, cx: &Context<'_>) -> Poll<Ending<E>> {
        let mut queue = lock(&self.queue);
        queue.join = Some(cx.waker().clone());
        // Flag and count are one word: a task that finished before this line
        // is not counted any more, one that finishes after it sees the flag
        // and comes for the waker.
        self.word.begin_join();
        if !queue.pending.is_empty() {
            return Poll::Pending;
        }
        // Pushes are kept out by the queue's lock, and `enter` by the single
        // step of `end`. Its flag is set under the verdict's lock, with `Ended`
        // stored before the lock is free.
        let mut verdict = lock(&self.verdict);
        if !self.word.end() {
            return Poll::Pending;
        }
        let ending = verdict.end();
        drop(verdict);
        let callers = queue.callers.take();
        drop(queue);
        let watchers = lock(&self.watchers).take();
        watchers.for_each(Waker::wake);
        callers.into_iter().for_each(|(_, waker)| waker.wake());
        Poll::Ready(ending)
    }

    pub(crate) fn stats(&self) -> Stats {
        let queue = lock(&self.queue);
        Stats {
            running: self.word.load().active(),
            pending: queue.pending.len(),
            waiting: queue.callers.waiting(),
            not_started: self.not_started.load(Relaxed),
        }
    }
}
