//! The state machine of a group, free of any runtime: who may start, who waits,
//! when it is over. `DESIGN.md` has the protocol in prose and the proofs.
//!
//! A word, a queue, and three locks, none of which is on the way of a task that
//! ends well: the *verdict* lock guards the cause, the *callers* lock those who
//! wait for room, the *watchers* lock those who await the cancel. Only
//! `poll_join` holds two of them, the callers' and then the verdict's. Foreign
//! code (wakers, drops of tasks) runs outside the locks.
//!
//! `J` is a task that can wait.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::task::{Context, Poll, Waker};

use crate::callers::Callers;
use crate::cause::Cause;
use crate::stats::Stats;
use crate::sync::{AtomicUsize, Mutex, SegQueue, lock, yield_now};
use crate::verdict::{Ending, Offered, Verdict};
use crate::wakers::Wakers;
use crate::word::{Reserved, Seen, Taken, Word};

/// What the backlog is unless it is set: with 16 a caller of tiny tasks sleeps so
/// seldom that more gain nothing.
pub(crate) const BACKLOG: usize = 16;

#[derive(Debug)]
pub(crate) struct State<J, E> {
    word: Word,
    /// Pending tasks, oldest first. Who counts a task in the word then pushes
    /// it; who takes it off the word then pops one.
    jobs: SegQueue<J>,
    /// Slots there are; `usize::MAX` is no limit.
    limit: AtomicUsize,
    /// Tasks beyond the limit that `spawn_wait` lets in.
    backlog: AtomicUsize,
    callers: Mutex<Callers>,
    verdict: Mutex<Verdict<E>>,
    watchers: Mutex<Wakers>,
    not_started: AtomicUsize,
}

/// Answer to `enter`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A slot was taken: start the task.
    Admitted,
    /// The group has a limit: reserve a place.
    Limited,
    Cancelled,
    /// A slot was taken but the group changed: `leave`, and enter again.
    Changed,
}

/// Answer to `next`. If `start`, a slot was taken for another runner: start it.
#[derive(Debug)]
pub(crate) enum Next<J> {
    Run {
        job: J,
        start: bool,
    },
    /// Nothing to do: come once more, idle, after the runtime's other tasks.
    Linger,
    /// The slot was given up.
    Gone {
        start: bool,
    },
}

impl<J, E> State<J, E> {
    pub(crate) fn new() -> Self {
        Self {
            word: Word::new(),
            jobs: SegQueue::new(),
            limit: AtomicUsize::new(usize::MAX),
            backlog: AtomicUsize::new(0),
            callers: Mutex::new(Callers::default()),
            verdict: Mutex::new(Verdict::new()),
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

    /// Gives back a slot taken by `enter` or `cancel`. If true, there may be
    /// something to do with it: `refill`.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let left = self.word.sub();
        self.left(left);
        left.is_limited() && !left.is_cancelled()
    }

    /// As `leave`, of a runner that had no task.
    #[cold]
    pub(crate) fn leave_idle(&self) {
        let left = self.word.drop_idle();
        self.left(left);
    }

    #[inline]
    fn left(&self, left: Seen) {
        if left.is_join_due() {
            self.wake_join();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_join(&self) {
        let waker = lock(&self.callers).join.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Pairs free slots with what waits. If true, a slot was taken for a
    /// runner: start it; it sees to the rest.
    #[must_use]
    pub(crate) fn refill(&self) -> bool {
        if self.word.load().is_waiting() {
            self.invite();
        }
        self.word.start(self.limit())
    }

    // Acquire: pairs with `set_limit`.
    #[inline]
    fn limit(&self) -> usize {
        self.limit.load(Acquire)
    }

    /// How many tasks `spawn_wait` lets be in the group.
    fn capacity(&self, limit: usize) -> usize {
        match limit {
            0 => 0,
            limit => limit.saturating_add(self.backlog.load(Relaxed)),
        }
    }

    /// A place for a task that may wait in the group; `push` it.
    #[inline]
    pub(crate) fn reserve(&self) -> Reserved {
        self.reserve_within(|_| usize::MAX, true)
    }

    /// A place for a task for which a slot is free.
    pub(crate) fn try_reserve(&self) -> Reserved {
        self.reserve_within(|limit| limit, false)
    }

    #[inline]
    fn reserve_within(&self, capacity: impl Fn(usize) -> usize, ahead: bool) -> Reserved {
        let limit = self.limit();
        let mut reserved = self.word.reserve(limit, capacity(limit), ahead);
        // The limit may have been raised since it was loaded: either that
        // `set_limit` finds the task counted, or this finds its limit.
        if let Reserved::Room { start } = &mut reserved
            && !*start
            && self.limit() != limit
        {
            *start = self.word.start(self.limit());
        }
        reserved
    }

    /// Queues a task in the place that was reserved for it. Nothing that may
    /// panic or wait comes between the two: others wait for the task.
    #[inline]
    pub(crate) fn push(&self, job: J) {
        self.jobs.push(job);
    }

    /// The oldest task, of those that were taken off the word.
    #[inline]
    fn pop(&self) -> J {
        loop {
            if let Some(job) = self.jobs.pop() {
                return job;
            }
            // Counted, and its spawner is just about to push it.
            yield_now();
        }
    }

    /// Waits for a place; the caller is known by the number stored in `number`,
    /// which `forget_caller` must hear of if the caller goes away before this
    /// is ready.
    pub(crate) fn poll_reserve(
        &self,
        number: &mut Option<u64>,
        cx: &Context<'_>,
    ) -> Poll<Reserved> {
        let capacity = |limit| self.capacity(limit);
        if number.is_none() {
            let reserved = self.reserve_within(capacity, false);
            if reserved != Reserved::Full {
                return Poll::Ready(reserved);
            }
        }
        let mut callers = lock(&self.callers);
        // The canceller sets the flag before it locks the callers to wake them:
        // either the flag is seen here or the waker is found there.
        if self.word.load().is_cancelled() {
            return Poll::Ready(Reserved::Cancelled);
        }
        if number.is_some_and(|number| callers.redeem(number)) {
            let reserved = self.reserve_within(capacity, true);
            if reserved != Reserved::Full {
                *number = None;
                self.update_waiting(&callers);
                return Poll::Ready(reserved);
            }
        }
        callers.register(number, cx.waker());
        // Whoever makes room after this step sees that somebody waits; room
        // that was made before it is seen by `tell`.
        self.word.set_waiting(true);
        let told = self.tell(&mut callers);
        drop(callers);
        told.for_each(Waker::wake);
        Poll::Pending
    }

    /// Forgets a caller of `poll_reserve`; room that it was told of goes to the
    /// next.
    pub(crate) fn forget_caller(&self, number: u64) {
        lock(&self.callers).forget(number);
        self.invite();
    }

    /// Tells as many callers as there is room for.
    #[inline(never)]
    fn invite(&self) {
        let mut callers = lock(&self.callers);
        let told = self.tell(&mut callers);
        self.update_waiting(&callers);
        drop(callers);
        told.for_each(Waker::wake);
    }

    fn tell(&self, callers: &mut Callers) -> impl Iterator<Item = Waker> + use<J, E> {
        let room = self
            .capacity(self.limit())
            .saturating_sub(self.word.load().tasks());
        let newly = room.saturating_sub(callers.told());
        // Nearly always it is one at most, and needs no memory.
        let first = (newly > 0).then(|| callers.tell()).flatten();
        let more: Vec<Waker> = (1..newly).map_while(|_| callers.tell()).collect();
        first.into_iter().chain(more)
    }

    fn update_waiting(&self, callers: &Callers) {
        if callers.waiting() == 0 && callers.told() == 0 {
            self.word.set_waiting(false);
        }
    }

    /// Asked by a runner: its next task. `idle`: it had none; `may_linger`: if
    /// there is none now it may come again.
    #[inline]
    pub(crate) fn next(&self, idle: bool, may_linger: bool) -> Next<J> {
        let (left, taken) = self.word.take(self.limit(), idle, may_linger);
        // Callers are told when the backlog is half empty, not at each place:
        // one wake-up then brings many tasks.
        if left.is_waiting() && left.pending() <= self.backlog.load(Relaxed) / 2 {
            self.invite();
        }
        match taken {
            Taken::Task { start } => Next::Run {
                job: self.pop(),
                start,
            },
            Taken::Linger => Next::Linger,
            Taken::Gone => {
                self.left(left);
                // The limit may have been raised since it was loaded.
                Next::Gone {
                    start: left.pending() > 0 && self.word.start(self.limit()),
                }
            }
        }
    }

    /// Changes the limit; `usize::MAX` is none. `refill` afterwards.
    pub(crate) fn set_limit(&self, limit: usize) {
        // The lock is for the flag and the limit to agree.
        let _callers = lock(&self.callers);
        // Release: pairs with `limit`. Who steps on the word after the next
        // line finds this limit.
        self.limit.store(limit, Release);
        self.word.set_limited(limit != usize::MAX);
    }

    /// Changes how many tasks `spawn_wait` lets in beyond the limit. `refill`
    /// afterwards.
    pub(crate) fn set_backlog(&self, backlog: usize) {
        // Relaxed, and the lock: a caller either comes to it later, and finds the
        // new one, or before, and is then found waiting.
        let _callers = lock(&self.callers);
        self.backlog.store(backlog, Relaxed);
    }

    /// Cancels for this reason, if it is the first. All that waits is woken;
    /// the tasks that were pending come back together with a slot (so that
    /// `join` waits for their drop): drop them, then `leave`.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub(crate) fn cancel(&self, reason: Cause<E>) -> Option<Vec<J>> {
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
        let pending = self.word.take_pending();
        let pending: Vec<J> = (0..pending).map(|_| self.pop()).collect();
        self.count_not_started(pending.len());
        let callers = lock(&self.callers).take();
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
        let mut callers = lock(&self.callers);
        callers.join = Some(cx.waker().clone());
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
        let ending = verdict.end();
        drop(verdict);
        let waiting = callers.take();
        drop(callers);
        let watchers = lock(&self.watchers).take();
        watchers.for_each(Waker::wake);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        Poll::Ready(ending)
    }

    pub(crate) fn stats(&self) -> Stats {
        let waiting = lock(&self.callers).waiting();
        let seen = self.word.load();
        // A pending task for which there is a slot is as good as running: its
        // runner is on its way.
        let running = seen.running().max(seen.tasks().min(self.limit()));
        Stats {
            running,
            pending: seen.tasks() - running,
            waiting,
            not_started: self.not_started.load(Relaxed),
        }
    }
}
