//! The group's ledger: how many slots are in use, how many of their runners
//! are new or have no task, how many tasks are pending, and three flags, in one atomic.
//! Every decision is one step on it, and learns from the value it replaced all
//! it has to react to.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use crate::sync::AtomicU64;

const CANCELLED: u64 = 1;
const JOINING: u64 = 1 << 1;
const WAITING: u64 = 1 << 2;
/// A runner that has no task and waits for its next turn. Two bits.
const IDLE: u64 = 1 << 4;
/// A runner that has not had a turn yet. Two bits.
const NEW: u64 = 1 << 6;
/// A slot in use: by a runner, or by a canceller. 28 bits.
const ACTIVE: u64 = 1 << 8;
/// A task that has no runner yet. 28 bits, too.
const PENDING: u64 = 1 << 36;

/// Tasks that a group holds at most, and slots there are for them: half of what a
/// field counts. The other half is for cancellers, who take a slot without a look, at
/// most one a thread; so no count runs into its neighbour.
pub(crate) const MOST: usize = (1 << 27) - 1;

/// Runners that may be without a task at once, new or idle. Two, because the runtime
/// keeps the task that was scheduled last for the thread that scheduled it; the one
/// before it can be taken by other threads. One more, if who made way is idle itself.
pub(crate) const MOST_FREE: usize = 2;

#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

/// What the word held at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Slots in use.
    pub(crate) fn active(self) -> usize {
        ((self.0 & (PENDING - 1)) / ACTIVE) as usize
    }

    /// Runners that wait for their next turn, and have it as soon as any thread of the
    /// runtime is free.
    fn idle(self) -> usize {
        ((self.0 & (NEW - 1)) / IDLE) as usize
    }

    /// Runners whose first turn may have to wait for the thread that started them.
    fn newcomers(self) -> usize {
        ((self.0 & (ACTIVE - 1)) / NEW) as usize
    }

    /// Runners without a task.
    fn free(self) -> usize {
        self.idle() + self.newcomers()
    }

    pub(crate) fn pending(self) -> usize {
        (self.0 / PENDING) as usize
    }

    /// Tasks that have been started.
    pub(crate) fn running(self) -> usize {
        self.active() - self.free()
    }

    /// Tasks in the group.
    pub(crate) fn tasks(self) -> usize {
        self.running() + self.pending()
    }

    /// Nothing may start any more.
    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    /// Somebody awaits the last task; who takes the last slot back wakes them.
    pub(crate) fn is_joining(self) -> bool {
        self.0 & JOINING != 0
    }

    /// Callers wait for room.
    pub(crate) fn is_waiting(self) -> bool {
        self.0 & WAITING != 0
    }

    /// Whether the last slot has just come back while somebody waits for that.
    pub(crate) fn is_join_due(self) -> bool {
        self.is_joining() && self.active() == 0
    }

    /// Whether several runners are new.
    pub(crate) fn has_several_new(self) -> bool {
        self.newcomers() > 1
    }

    /// Takes a slot for one more runner, if fewer than `wanted` have no task.
    fn with_runner(self, limit: usize, wanted: usize) -> Option<Self> {
        (self.active() < limit && self.free() < wanted).then_some(Self(self.0 + ACTIVE + NEW))
    }
}

/// Answer to `reserve`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Queue the task; if `start`, a slot was taken for a runner: start it.
    Room {
        start: bool,
    },
    Full,
    Cancelled,
}

/// What a runner was when it last had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// It had none yet.
    New,
    /// It had no task.
    Idle,
    Busy,
}

impl Was {
    /// How it is counted, besides its slot.
    fn counted(self) -> u64 {
        match self {
            Self::New => NEW,
            Self::Idle => IDLE,
            Self::Busy => 0,
        }
    }
}

/// A runner that asks for its next task.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) was: Was,
    /// It need not go if there is none.
    pub(crate) may_linger: bool,
    /// A runner that it starts may have to wait for this one's thread: if one is called
    /// for, it makes way for that one before it takes a task.
    pub(crate) makes_way: bool,
}

/// Answer to `take`.
pub(crate) enum Taken {
    /// A task is the runner's; if `start`, another runner has a slot: start it.
    Task { start: bool },
    /// Another runner has a slot: start it, let it have the thread, and come again,
    /// idle.
    Grow,
    /// There is none; look once more, after the runtime's other tasks.
    Linger,
    /// The slot was given up.
    Gone,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One that counts so many already.
    #[cfg(all(test, not(loom_models)))]
    pub(crate) fn with(active: usize, pending: usize) -> Self {
        let (active, pending) = (active as u64 * ACTIVE, pending as u64 * PENDING);
        Self(AtomicU64::new(active + pending))
    }

    /// Acquire, for `set_cancelled`: who sees the cancel sees what came before.
    #[inline]
    pub(crate) fn load(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }

    /// One step from what `decide` sees to what it returns. AcqRel: whatever a
    /// step reacts to happened before it, and what the caller did before it is
    /// seen by who reacts to it.
    #[inline]
    fn step<R>(&self, mut decide: impl FnMut(Seen) -> (Seen, R)) -> (Seen, R) {
        let mut seen = self.0.load(Acquire);
        loop {
            let (next, answer) = decide(Seen(seen));
            if next.0 == seen {
                return (next, answer);
            }
            match self.0.compare_exchange_weak(seen, next.0, AcqRel, Acquire) {
                Ok(_) => return (next, answer),
                Err(changed) => seen = changed,
            }
        }
    }

    /// Takes a slot, whatever the limit.
    pub(crate) fn add(&self) {
        // There is nothing to release: who takes it has done nothing yet.
        self.0.fetch_add(ACTIVE, Acquire);
    }

    /// Gives a slot back that was taken by `add` or `take_pending`; returns what is left.
    pub(crate) fn sub(&self) -> Seen {
        // Release for what was done in it, which `end` acquires; Acquire so that the
        // last one sees the join's waker.
        Seen(self.0.fetch_sub(ACTIVE, AcqRel) - ACTIVE)
    }

    /// Room for one more task if there are fewer than `capacity`, which is `MOST` at
    /// most, and, unless `ahead`, nobody waits for room.
    #[inline]
    pub(crate) fn reserve(&self, limit: usize, capacity: usize, ahead: bool) -> Reserved {
        let (_, answer) = self.step(|seen| {
            if seen.is_cancelled() {
                return (seen, Reserved::Cancelled);
            }
            if seen.tasks() >= capacity || (seen.is_waiting() && !ahead) {
                return (seen, Reserved::Full);
            }
            let queued = Seen(seen.0 + PENDING);
            // If there is only a new one it may be stuck, and the task for which it was
            // started long gone.
            let wanted = match queued.idle() {
                0 => MOST_FREE,
                _ => queued.pending().min(MOST_FREE),
            };
            match queued.with_runner(limit, wanted) {
                Some(started) => (started, Reserved::Room { start: true }),
                None => (queued, Reserved::Room { start: false }),
            }
        });
        answer
    }

    /// A runner asks for its next task.
    #[inline]
    pub(crate) fn take(&self, limit: usize, asker: Asker) -> (Seen, Taken) {
        self.step(|seen| {
            let busy = seen.0 - asker.was.counted();
            // More active than the limit: it was lowered, and this slot is one
            // too many.
            if seen.is_cancelled() || seen.active() > limit {
                return (Seen(busy - ACTIVE), Taken::Gone);
            }
            if seen.pending() > 0 {
                let taken = Seen(busy - PENDING);
                // An idle runner sees to what is left. One that is new may be stuck, and
                // then a task with it.
                let most = match taken.idle() {
                    0 if asker.makes_way => MOST_FREE,
                    _ => 1,
                };
                return match taken.with_runner(limit, taken.pending().min(most)) {
                    Some(_) if asker.makes_way => (Seen(busy + IDLE + ACTIVE + NEW), Taken::Grow),
                    Some(started) => (started, Taken::Task { start: true }),
                    None => (taken, Taken::Task { start: false }),
                };
            }
            if !asker.may_linger || seen.is_joining() || Seen(busy).free() >= MOST_FREE {
                (Seen(busy - ACTIVE), Taken::Gone)
            } else {
                (Seen(busy + IDLE), Taken::Linger)
            }
        })
    }

    /// A runner is gone, and its task with it; returns what is left.
    pub(crate) fn drop_runner(&self, was: Was) -> Seen {
        let counted = ACTIVE + was.counted();
        Seen(self.0.fetch_sub(counted, AcqRel) - counted)
    }

    /// Takes a slot for a runner, if tasks are pending and none is on its way.
    pub(crate) fn start(&self, limit: usize) -> bool {
        self.step(
            |seen| match seen.with_runner(limit, seen.pending().min(1)) {
                Some(started) if !seen.is_cancelled() => (started, true),
                _ => (seen, false),
            },
        )
        .1
    }

    /// Takes all that is pending, and a slot, after the cancel.
    pub(crate) fn take_pending(&self) -> usize {
        self.step(|seen| {
            let pending = seen.pending();
            (Seen(seen.0 - pending as u64 * PENDING + ACTIVE), pending)
        })
        .1
    }

    /// Called with the verdict's lock held and the cause stored.
    pub(crate) fn set_cancelled(&self) {
        // Release: pairs with `load`, `step`.
        self.0.fetch_or(CANCELLED, Release);
    }

    /// Called after the limit was stored: a step that leaves all as it is.
    pub(crate) fn pass(&self) {
        // Release: who steps after this, and then loads the limit, finds the
        // new one. Acquire: what was queued before is seen by `start`.
        self.0.fetch_or(0, AcqRel);
    }

    /// Called with the callers' lock held. Returns what is there now.
    pub(crate) fn set_waiting(&self, waiting: bool) -> Seen {
        if waiting {
            Seen(self.0.fetch_or(WAITING, AcqRel) | WAITING)
        } else {
            Seen(self.0.fetch_and(!WAITING, AcqRel) & !WAITING)
        }
    }

    /// From here on, who gives the last slot back wakes the join.
    pub(crate) fn begin_join(&self) {
        // Release: the waker was stored before; pairs with `sub`, `step`.
        self.0.fetch_or(JOINING, Release);
    }

    /// Ends the group if nothing is active or pending: one step, so that a
    /// spawn either comes before (and this fails) or is refused.
    pub(crate) fn end(&self) -> bool {
        self.step(|seen| {
            if seen.0 < ACTIVE {
                (Seen(seen.0 | CANCELLED), true)
            } else {
                (seen, false)
            }
        })
        .1
    }
}
