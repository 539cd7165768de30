//! Room for a task: who gets it, and who waits for it.

use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use super::{State, too_many};
use crate::callers::Callers;
use crate::sync::lock;
use crate::word::{MOST, Reserved};

impl<J, E> State<J, E> {
    /// How many tasks `spawn_wait` lets be in the group.
    fn capacity(&self, limit: usize) -> usize {
        match limit {
            0 => 0,
            limit => limit.saturating_add(self.backlog.load(Relaxed)).min(MOST),
        }
    }

    /// A place for a task that may wait in the group; `push` it. There always is one,
    /// unless the group is cancelled.
    ///
    /// # Panics
    ///
    /// If the group holds as many tasks as can be counted.
    #[inline]
    pub(crate) fn reserve(&self) -> Reserved {
        let reserved = self.reserve_within(|_| MOST, true);
        if reserved == Reserved::Full {
            too_many();
        }
        reserved
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
        let replaced = callers.register(number, cx.waker());
        // Whoever makes room after this step sees that somebody waits; room
        // that was made before it is seen by `tell`.
        self.word.set_waiting(true);
        let told = self.tell(&mut callers);
        drop(callers);
        drop(replaced);
        told.for_each(Waker::wake);
        Poll::Pending
    }

    /// Forgets a caller of `poll_reserve`; room that it was told of goes to the
    /// next.
    pub(crate) fn forget_caller(&self, number: u64) {
        let forgotten = lock(&self.callers).forget(number);
        drop(forgotten);
        self.invite();
    }

    /// Tells callers of room that `next` has kept for later: asked for by a runner
    /// whose task waits, maybe for what a caller does next.
    #[inline]
    pub(crate) fn tell_of_room(&self) {
        if self.word.load().is_waiting() {
            self.invite();
        }
    }

    /// Tells as many callers as there is room for.
    #[inline(never)]
    pub(super) fn invite(&self) {
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
}
