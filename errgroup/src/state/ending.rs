//! The cancel, those who watch for it, and the end.

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use super::{Cancelled, State};
use crate::cause::{Cause, Reason};
use crate::panic::caught;
use crate::sync::lock;
use crate::verdict::{Offered, OnError};
use crate::wait_error::WaitError;
use crate::wakers::renew;

impl<J, E> State<J, E> {
    /// Cancels for this reason, if it is the first. All that waits is woken.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub(crate) fn cancel(&self, reason: Cause<E>) -> Cancelled<J, E> {
        let mut verdict = lock(&self.verdict);
        let offered = verdict.offer(reason);
        if matches!(offered, Offered::First) {
            // Cause first, flag second, and both before the lock is free: who sees
            // the flag, and any other canceller who comes back from here, finds the
            // cause.
            self.word.set_cancelled();
        }
        drop(verdict);
        match offered {
            Offered::First => {}
            Offered::Late(unread) => return Cancelled::Late(unread),
            Offered::Ended(reason) => return Cancelled::Ended(reason),
        }
        let pending = self.word.take_pending();
        let pending: Vec<J> = (0..pending).map(|_| self.pop()).collect();
        self.count_not_started(pending.len());
        let callers = lock(&self.callers).take();
        let watchers = lock(&self.watchers).take();
        watchers.for_each(Waker::wake);
        callers.into_iter().for_each(|(_, waker)| waker.wake());
        Cancelled::First(pending)
    }

    /// Counts a task that failed, and takes its error if the group goes on after it; what
    /// nobody will read comes back, to be dropped. Otherwise the reason to cancel.
    #[cold]
    pub(crate) fn tolerate(&self, reason: Cause<E>) -> Result<Option<E>, Cause<E>> {
        lock(&self.verdict).tolerate(reason)
    }

    pub(crate) fn set_on_error(&self, on_error: OnError) {
        lock(&self.verdict).set_on_error(on_error);
    }

    /// Whether there was an error or a panic that is not tolerated, also after the
    /// end.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.verdict).has_failed()
    }

    /// Why it was cancelled, also after the end; always there once `is_cancelled`.
    pub(crate) fn reason(&self) -> Option<Reason> {
        lock(&self.verdict).reason()
    }

    /// The reason, of a group that was seen to be cancelled.
    #[cold]
    pub(crate) fn why(&self) -> Reason {
        self.reason().unwrap_or(Reason::Ended)
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
        let replaced = watchers.register(key, cx.waker());
        drop(watchers);
        drop(replaced);
        Poll::Pending
    }

    pub(crate) fn forget_cancelled(&self, key: usize) {
        let forgotten = lock(&self.watchers).remove(key);
        drop(forgotten);
    }

    /// Ready once nothing is active or pending; the group is closed in the same
    /// step, so that nothing can come after it.
    pub(crate) fn poll_join(&self, cx: &Context<'_>) -> Poll<Result<(), WaitError<E>>> {
        // Declared before the guards, hence dropped after them.
        let _replaced;
        let mut callers = lock(&self.callers);
        _replaced = renew(&mut callers.join, cx.waker());
        // Flag and counts are one word: a slot that came back before this line
        // is not counted any more, one that comes back after it sees the flag
        // and comes for the waker.
        self.word.begin_join();
        // The flag that `end` sets is set under the verdict's lock, with
        // `Ended` stored before the lock is free.
        let mut verdict = lock(&self.verdict);
        if !self.word.end() {
            return Poll::Pending;
        }
        let (mut ending, unread) = verdict.end();
        drop(verdict);
        let (waiting, join) = (callers.take(), callers.join.take());
        drop(callers);
        drop(join);
        // May be anybody's, and come back to this group as it is dropped; or panic, which
        // is then told, as every panic is.
        let dropped = caught(|| drop(unread));
        if let (Err(panic), false) = (dropped, matches!(ending, Err(WaitError::Panicked(_)))) {
            ending = Err(WaitError::Panicked(panic));
        }
        let watchers = lock(&self.watchers).take();
        watchers.for_each(Waker::wake);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        Poll::Ready(ending)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wake_join(&self) {
        let waker = lock(&self.callers).join.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
