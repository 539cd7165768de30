//! The state machine of a group, free of any runtime: who may start, who waits,
//! when it is over. `DESIGN.md` has the protocol in prose and the proofs.
//!
//! A word, a queue, and three locks, none of which is on the way of a task that
//! ends well: the *verdict* lock guards the cause, the *callers* lock those who
//! wait for room, the *watchers* lock those who await the cancel. Only
//! `poll_join` holds two of them, the callers' and then the verdict's. Foreign
//! code (wakers, drops of tasks) runs outside the locks.
//!
//! `J` is a task that can wait. Admission is in `room`, cancel and join in `ending`;
//! here is what a task passes on its way.

mod ending;
mod room;

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::callers::Callers;
use crate::cause::Cause;
use crate::queue::Queue;
use crate::stats::Stats;
use crate::sync::{AtomicUsize, Mutex, lock, yield_now};
use crate::verdict::Verdict;
use crate::wakers::Wakers;
use crate::word::{Asker, MOST, Seen, Taken, Was, Word};

/// What the backlog is unless it is set: with 16 a caller of tiny tasks sleeps so
/// seldom that more gain nothing.
pub(crate) const BACKLOG: usize = 16;

#[derive(Debug)]
pub(crate) struct State<J, E> {
    word: Word,
    /// Pending tasks, oldest first. Who counts a task in the word then pushes
    /// it; who takes it off the word then pops one.
    jobs: Queue<J>,
    /// Slots there are; without a limit as many as can be counted.
    limit: AtomicUsize,
    /// Tasks beyond the limit that `spawn_wait` lets in.
    backlog: AtomicUsize,
    callers: Mutex<Callers>,
    verdict: Mutex<Verdict<E>>,
    watchers: Mutex<Wakers>,
    not_started: AtomicUsize,
}

/// Answer to `next`. If `start`, a slot was taken for another runner: start it.
#[derive(Debug)]
pub(crate) enum Next<J> {
    Run {
        job: J,
        start: bool,
    },
    /// A slot was taken for another runner: start it, and come again, idle, after it.
    Grow,
    /// Nothing to do: come once more, idle, after the runtime's other tasks.
    Linger,
    /// The slot was given up.
    Gone {
        start: bool,
    },
}

/// Answer to `cancel`.
#[derive(Debug)]
pub(crate) enum Cancelled<J, E> {
    /// It was the first. The tasks that were pending, together with a slot (so that
    /// `join` waits for their drop): drop them, then `leave`.
    First(Vec<J>),
    /// The group was cancelled already. With what nobody will read of it, to be dropped.
    Late(Option<Cause<E>>),
    /// The group had ended, so there is nobody whom it concerns.
    Ended(Cause<E>),
}

impl<J, E> State<J, E> {
    pub(crate) fn new() -> Self {
        Self {
            word: Word::new(),
            jobs: Queue::new(),
            limit: AtomicUsize::new(MOST),
            backlog: AtomicUsize::new(0),
            callers: Mutex::new(Callers::default()),
            verdict: Mutex::new(Verdict::new()),
            watchers: Mutex::new(Wakers::default()),
            not_started: AtomicUsize::new(0),
        }
    }

    /// Takes a slot for somebody who is no task and has a failure to tell: until it is
    /// given back by `leave` the group does not end, unless it has.
    #[cold]
    pub(crate) fn hold(&self) {
        self.word.add();
    }

    /// Gives back a slot taken by `hold` or `cancel`. The group is cancelled by then, so
    /// nobody waits for it.
    #[cold]
    pub(crate) fn leave(&self) {
        self.left(self.word.sub());
    }

    /// Gives back the slot of a runner that takes no task in it. Whether tasks wait, which
    /// may have relied on it.
    #[cold]
    pub(crate) fn drop_runner(&self, was: Was) -> bool {
        let left = self.word.drop_runner(was);
        self.left(left);
        left.pending() > 0
    }

    #[inline]
    fn left(&self, left: Seen) {
        if left.is_join_due() {
            self.wake_join();
        }
    }

    /// Pairs free slots with what waits. If true, a slot was taken for a
    /// runner: start it; it sees to the rest.
    #[must_use]
    pub(crate) fn refill(&self) -> bool {
        self.tell_of_room();
        self.word.start(self.limit())
    }

    // Acquire: pairs with `set_limit`.
    #[inline]
    fn limit(&self) -> usize {
        self.limit.load(Acquire)
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

    /// Asked by a runner: its next task.
    #[inline]
    pub(crate) fn next(&self, asker: Asker) -> Next<J> {
        let (left, taken) = self.word.take(self.limit(), asker);
        // Callers are told when the backlog is half empty, not at each place:
        // one wake-up then brings many tasks. Whoever lets time pass before the
        // runner comes again, tells them of what room there is (`tell_of_room`).
        if left.is_waiting()
            && (left.pending() <= self.backlog.load(Relaxed) / 2 || matches!(taken, Taken::Gone))
        {
            self.invite();
        }
        match taken {
            Taken::Task { start } => Next::Run {
                job: self.pop(),
                start,
            },
            Taken::Grow => Next::Grow,
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

    /// Whether several runners have not had a turn yet: asked by who started one.
    pub(crate) fn has_several_new(&self) -> bool {
        self.word.load().has_several_new()
    }

    /// Whether tasks wait for a runner.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.word.load().pending() > 0
    }

    /// Changes the limit; `usize::MAX` is none. `refill` afterwards.
    pub(crate) fn set_limit(&self, limit: usize) {
        // Release: pairs with `limit`. Who steps on the word after the next
        // line finds this limit.
        self.limit.store(limit.min(MOST), Release);
        self.word.pass();
    }

    /// Changes how many tasks `spawn_wait` lets in beyond the limit. `refill`
    /// afterwards.
    pub(crate) fn set_backlog(&self, backlog: usize) {
        // Relaxed, and the lock: a caller either comes to it later, and finds the
        // new one, or before, and is then found waiting.
        let _callers = lock(&self.callers);
        self.backlog.store(backlog, Relaxed);
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
            failed: lock(&self.verdict).failures(),
        }
    }
}

/// A task that nobody can count any more: the caller's mistake, to be told where it is
/// made.
#[cold]
fn too_many() -> ! {
    panic!("a group holds {MOST} tasks at most")
}

// The models know no figures that large.
#[cfg(all(test, not(loom_models)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::word::Reserved;

    fn full(active: usize, pending: usize) -> State<(), ()> {
        State {
            word: Word::with(active, pending),
            ..State::new()
        }
    }

    fn refused<R>(spawn: impl FnOnce() -> R) {
        let panicked = catch_unwind(AssertUnwindSafe(spawn)).err().unwrap();
        assert_eq!(
            panicked.downcast_ref().map(String::as_str),
            Some("a group holds 134217727 tasks at most")
        );
    }

    #[test]
    fn a_task_that_cannot_be_counted_is_refused_and_not_counted_elsewhere() {
        let state = full(MOST - 1, 0);
        assert_eq!(state.reserve(), Reserved::Room { start: true });
        refused(|| state.reserve());
        assert_eq!(state.try_reserve(), Reserved::Full);
        let seen = state.word.load();
        assert_eq!((seen.active(), seen.pending()), (MOST, 1));

        let state = full(0, MOST - 1);
        state.set_limit(0);
        assert_eq!(state.reserve(), Reserved::Room { start: false });
        refused(|| state.reserve());
        assert_eq!(state.try_reserve(), Reserved::Full);
        let seen = state.word.load();
        assert_eq!((seen.active(), seen.pending()), (0, MOST));
        assert!(!seen.is_cancelled());
    }

    /// What a runner of a wide runtime is told.
    fn told(state: &State<(), ()>, was: Was) -> Next<()> {
        state.next(Asker {
            was,
            may_linger: true,
            makes_way: true,
        })
    }

    fn spawned(state: &State<(), ()>) -> bool {
        let reserved = state.reserve();
        state.push(());
        reserved == Reserved::Room { start: true }
    }

    #[test]
    fn a_runner_makes_way_once_for_the_one_that_sees_to_what_is_left() {
        let state = full(0, 0);
        let started = [(); 4].map(|()| spawned(&state));
        assert_eq!(started, [true, true, false, false]);
        // Only one is new, and may be stuck; three tasks would be left.
        assert!(matches!(told(&state, Was::New), Next::Grow));
        // The one that was started, and then the second: the idle one sees to the rest.
        for left in [3, 2] {
            assert!(matches!(told(&state, Was::New), Next::Run { .. }));
            let seen = state.word.load();
            assert_eq!((seen.active(), seen.pending()), (3, left));
        }
        assert!(matches!(told(&state, Was::Idle), Next::Grow));
        assert_eq!(state.word.load().active(), 4);
        assert!(matches!(told(&state, Was::Busy), Next::Run { .. }));
        assert!(matches!(told(&state, Was::Idle), Next::Run { .. }));
        assert!(matches!(told(&state, Was::New), Next::Linger));
    }

    #[test]
    fn a_new_runner_whose_task_is_gone_is_not_relied_on() {
        let state = full(0, 0);
        assert!(spawned(&state));
        assert!(matches!(told(&state, Was::New), Next::Run { .. }));
        assert!(spawned(&state));
        assert!(matches!(told(&state, Was::Busy), Next::Run { .. }));
        // The second runner waits for its first turn, maybe for long.
        assert!(spawned(&state));
        assert!(state.has_several_new());
        assert!(!spawned(&state), "one of two can be taken by any thread");
    }

    #[test]
    fn no_limit_and_no_backlog_is_beyond_counting() {
        let state = full(MOST - 1, 0);
        state.set_backlog(usize::MAX);
        for limit in [usize::MAX, usize::MAX - 1] {
            state.set_limit(limit);
            let full = full(MOST, 0);
            full.set_backlog(usize::MAX);
            full.set_limit(limit);
            assert_eq!(full.try_reserve(), Reserved::Full);
            let cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(full.poll_reserve(&mut None, &cx).is_pending());
        }
        // One slot is left, and one task more than that waits for it.
        assert_eq!(state.reserve(), Reserved::Room { start: true });
        refused(|| state.reserve());
    }
}
