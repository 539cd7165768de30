//! Models of the group's state machine, each named after the interleaving it
//! rules out; every comment says which break of the protocol the model catches.
//! `RUSTFLAGS="--cfg loom_models" cargo test --release -p errgroup --test 'loom_*'`

#![cfg(loom_models)]
#![allow(dead_code, unreachable_pub)]

// The state machine itself, which is private to the crate.
#[path = "../src/callers.rs"]
mod callers;
#[path = "../src/cause.rs"]
mod cause;
#[path = "../src/current.rs"]
mod current;
#[path = "../src/panic.rs"]
mod panic;
#[path = "../src/state/mod.rs"]
mod state;
#[path = "../src/stats.rs"]
mod stats;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/verdict.rs"]
mod verdict;
#[path = "../src/wait_error.rs"]
mod wait_error;
#[path = "../src/wakers.rs"]
mod wakers;
#[path = "../src/word.rs"]
mod word;

use std::future::poll_fn;

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use cause::Cause;
use state::{Entry, Next, State};
use wait_error::WaitError;
use word::Reserved;

/// Every interleaving with at most so many switches away from a thread that
/// could go on: enough for each break that is named below, and seconds instead
/// of hours.
const PREEMPTIONS: usize = 2;

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(f);
}

/// A task is the index of its mark.
type Group = State<usize, u8>;

fn limited(limit: usize) -> Arc<Group> {
    let group = Group::new();
    group.set_limit(limit);
    Arc::new(group)
}

/// What a runner does with its slot, and what the runners do that it starts:
/// all that is pending.
fn run(group: &Group, marks: &[AtomicUsize]) {
    let mut runners = 1;
    let mut idle = true;
    while runners > 0 {
        let start = match group.next(idle, !idle) {
            Next::Run { job, start } => {
                marks[job].fetch_add(1, Relaxed);
                idle = false;
                start
            }
            Next::Linger => {
                idle = true;
                false
            }
            Next::Gone { start } => {
                runners -= 1;
                idle = true;
                start
            }
        };
        runners += usize::from(start);
    }
}

/// Puts a task into the place it was given, with the runner in line.
fn put(group: &Group, reserved: &Reserved, task: usize, marks: &[AtomicUsize]) -> bool {
    let Reserved::Room { start } = *reserved else {
        return false;
    };
    group.push(task);
    if start {
        run(group, marks);
    }
    true
}

/// What `spawn` does in a limited group.
fn spawn(group: &Group, task: usize, marks: &[AtomicUsize]) -> bool {
    put(group, &group.reserve(), task, marks)
}

/// What `spawn_wait` does in a limited group.
fn spawn_wait(group: &Group, task: usize, marks: &[AtomicUsize]) -> bool {
    let mut number = None;
    let reserved = block_on(poll_fn(|cx| group.poll_reserve(&mut number, cx)));
    if let Some(number) = number {
        group.forget_caller(number);
    }
    put(group, &reserved, task, marks)
}

/// Takes the only slot, as a runner that runs a task of its own.
fn occupy(group: &Group) {
    assert_eq!(group.reserve(), Reserved::Room { start: true });
    group.push(usize::MAX);
    assert!(matches!(
        group.next(true, true),
        Next::Run { start: false, .. }
    ));
}

/// The runner of `occupy` comes to the end of its task.
fn vacate(group: &Group, marks: &[AtomicUsize]) {
    match group.next(false, true) {
        Next::Run { job, start } => {
            assert!(!start);
            marks[job].fetch_add(1, Relaxed);
            vacate(group, marks);
        }
        Next::Linger => run(group, marks),
        Next::Gone { start } => assert!(!start),
    }
}

fn leave(group: &Group, marks: &[AtomicUsize]) {
    if group.leave() {
        refill(group, marks);
    }
}

fn refill(group: &Group, marks: &[AtomicUsize]) {
    if group.refill() {
        run(group, marks);
    }
}

fn cancel(group: &Group, reason: Cause<u8>) -> usize {
    match group.cancel(reason) {
        Some(pending) => {
            leave(group, &[]);
            pending.len()
        }
        None => 0,
    }
}

fn wait(group: &Group) -> Result<(), WaitError<u8>> {
    block_on(poll_fn(|cx| group.poll_join(cx)))
}

/// Waits for the end, whichever it is.
fn end(group: &Group) {
    let _ = wait(group);
}

fn marks<const N: usize>() -> Arc<[AtomicUsize; N]> {
    Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)))
}

fn each_once(marks: &[AtomicUsize]) {
    assert!(marks.iter().all(|mark| mark.load(Relaxed) == 1));
}

/// Catches: the flag set before the cause is stored, or outside the lock.
#[test]
fn a_cancel_is_seen_but_its_cause_is_not_there() {
    model(|| {
        let group = Arc::new(Group::new());
        let failing = {
            let group = Arc::clone(&group);
            thread::spawn(move || cancel(&group, Cause::Error(1)))
        };
        if group.is_cancelled() {
            assert_eq!(
                group.with_cause(|cause| matches!(cause, Cause::Error(1))),
                Some(true)
            );
        }
        failing.join().unwrap();
    });
}

/// Catches: the second of two who fail coming back while the first has stored
/// its cause and not yet set the flag; and a cause that changes.
#[test]
fn two_fail_and_one_of_them_does_not_see_the_cancel() {
    model(|| {
        let group = Arc::new(Group::new());
        let other = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                cancel(&group, Cause::Error(1));
                assert!(group.is_cancelled());
            })
        };
        cancel(&group, Cause::Error(2));
        assert!(group.is_cancelled());
        let seen = group.with_cause(|cause| match cause {
            Cause::Error(n) => *n,
            _ => 0,
        });
        other.join().unwrap();
        match wait(&group) {
            Err(WaitError::Failed(error)) => assert_eq!(seen, Some(error)),
            _ => panic!("the error is lost"),
        }
    });
}

/// Catches: `is_cancelled` not asked again under the watchers' lock; the flag
/// set after the wakers are taken. (Loom reports a deadlock.)
#[test]
fn a_watcher_sleeps_through_the_cancel() {
    model(|| {
        let group = Arc::new(Group::new());
        let watcher = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                let mut key = None;
                block_on(poll_fn(|cx| group.poll_cancelled(&mut key, cx)));
            })
        };
        cancel(&group, Cause::Cancelled);
        watcher.join().unwrap();
    });
}

/// Catches: the join flag set after the count was read (a deadlock); a `sub`
/// that does not release the task's effects, or an `end` that does not acquire
/// them.
#[test]
fn wait_misses_the_last_finish_or_its_effects() {
    model(|| {
        let group = Arc::new(Group::new());
        // Loom checks that the read comes after the write.
        let effect = Arc::new(UnsafeCell::new(()));
        assert_eq!(group.enter(), Entry::Admitted);
        let task = {
            let (group, effect) = (Arc::clone(&group), Arc::clone(&effect));
            thread::spawn(move || {
                effect.with_mut(|_| ());
                leave(&group, &[]);
            })
        };
        end(&group);
        effect.with(|_| ());
        task.join().unwrap();
    });
}

/// Catches: `end` in two steps, check and then close.
#[test]
fn a_task_enters_a_group_that_has_ended() {
    model(|| {
        let group = Arc::new(Group::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let spawner = {
            let (group, ended) = (Arc::clone(&group), Arc::clone(&ended));
            thread::spawn(move || match group.enter() {
                Entry::Admitted => {
                    assert_eq!(ended.load(Relaxed), 0);
                    leave(&group, &[]);
                }
                Entry::Changed => leave(&group, &[]),
                Entry::Cancelled => {}
                Entry::Limited => unreachable!(),
            })
        };
        end(&group);
        ended.store(1, Relaxed);
        spawner.join().unwrap();
    });
}

/// Catches: a slot given up (`take`) in another step than the one that found
/// nothing pending, or a task counted without a look at the slots: the task
/// would wait for ever.
#[test]
fn a_task_is_queued_as_the_last_runner_goes() {
    model(|| {
        let group = limited(1);
        let marks = marks::<2>();
        let other = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn(&group, 0, &*marks)))
        };
        assert!(spawn(&group, 1, &*marks));
        other.join().unwrap();
        end(&group);
        each_once(&*marks);
    });
}

/// The task spawns a child from inside its slot, the only one, and `wait` runs
/// beside it. Catches: `take` not taking what is pending (a deadlock).
#[test]
fn nested_spawn_at_limit_1_deadlocks() {
    model(|| {
        let group = limited(1);
        let marks = marks::<1>();
        occupy(&group);
        let runner = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || {
                assert_eq!(group.try_reserve(), Reserved::Full);
                assert_eq!(group.reserve(), Reserved::Room { start: false });
                group.push(0);
                vacate(&group, &*marks);
            })
        };
        end(&group);
        each_once(&*marks);
        runner.join().unwrap();
    });
}

/// Catches: a task counted though the word says cancelled; a canceller that
/// does not take what is pending.
#[test]
fn a_task_is_queued_behind_the_back_of_the_cancel() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let canceller = {
            let group = Arc::clone(&group);
            thread::spawn(move || cancel(&group, Cause::Cancelled))
        };
        let queued = spawn(&group, 0, &[]);
        // Taken out by the canceller, or refused: never both, never neither.
        assert_eq!(canceller.join().unwrap(), usize::from(queued));
        vacate(&group, &[]);
        end(&group);
    });
}

/// A runner comes for its first task as the group is cancelled. Catches: a
/// runner that takes a task after the cancel, or that does not give its slot
/// back.
#[test]
fn a_task_starts_after_the_cancel() {
    model(|| {
        let group = limited(1);
        let marks = marks::<1>();
        assert_eq!(group.reserve(), Reserved::Room { start: true });
        group.push(0);
        let runner = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || {
                let cancelled = group.is_cancelled();
                run(&group, &*marks);
                assert!(!cancelled || marks[0].load(Relaxed) == 0);
            })
        };
        let dropped = cancel(&group, Cause::Cancelled);
        end(&group);
        assert_eq!(dropped + marks[0].load(Relaxed), 1);
        runner.join().unwrap();
    });
}

/// A caller waits for the only slot while the group is cancelled. Catches:
/// `poll_reserve` not asking for the cancel under the callers' lock (a
/// deadlock).
#[test]
fn a_caller_sleeps_through_the_cancel() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let caller = {
            let group = Arc::clone(&group);
            thread::spawn(move || assert!(!spawn_wait(&group, 0, &[])))
        };
        cancel(&group, Cause::Cancelled);
        caller.join().unwrap();
        vacate(&group, &[]);
        end(&group);
    });
}

/// Two callers take turns in the only slot. Catches: room made without a look
/// at the callers; a caller that does not look for room once it has said that
/// it waits; a caller told, and the flag taken back (deadlocks).
#[test]
fn a_caller_sleeps_while_there_is_room() {
    model(|| {
        let group = limited(1);
        let marks = marks::<2>();
        let other = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 0, &*marks)))
        };
        assert!(spawn_wait(&group, 1, &*marks));
        other.join().unwrap();
        end(&group);
        each_once(&*marks);
    });
}

/// A caller waits behind a backlog of one as a runner takes it. Catches: callers
/// told only of slots, not of places in the backlog (a deadlock: nobody else comes
/// to the end of the task that runs).
#[test]
fn a_caller_sleeps_while_the_backlog_has_room() {
    model(|| {
        let group = limited(1);
        group.set_backlog(1);
        let marks = marks::<2>();
        occupy(&group);
        assert!(spawn_wait(&group, 0, &*marks), "the backlog has room");
        let caller = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 1, &*marks)))
        };
        // The end of the first task; the second one runs until the caller came.
        let Next::Run { job, .. } = group.next(false, true) else {
            panic!("a task was pending");
        };
        marks[job].fetch_add(1, Relaxed);
        caller.join().unwrap();
        vacate(&group, &*marks);
        end(&group);
        each_once(&*marks);
    });
}

/// One place of a backlog of three comes free, which is too few for a caller to be
/// told of; but the task that is taken then waits for what the caller does next.
/// Catches: a runner that keeps the room for later and lets time pass (a deadlock).
#[test]
fn a_task_waits_for_a_caller_who_waits_for_room() {
    model(|| {
        let group = limited(1);
        group.set_backlog(3);
        let marks = marks::<4>();
        occupy(&group);
        for task in 0..3 {
            assert!(spawn(&group, task, &[]), "the backlog has room");
        }
        let caller = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 3, &*marks)))
        };
        let Next::Run { job, .. } = group.next(false, true) else {
            panic!("tasks were pending");
        };
        // The task waits: its runner is not polled before the caller has come.
        group.tell_of_room();
        caller.join().unwrap();
        marks[job].fetch_add(1, Relaxed);
        vacate(&group, &*marks);
        end(&group);
        each_once(&*marks);
    });
}

/// The limit is lowered, a slot is closed as its task ends, and what is left has
/// room for one more. Catches: a runner that goes without a look at the callers,
/// because there is still much in the backlog (a deadlock).
#[test]
fn room_is_left_by_a_runner_that_is_one_too_many() {
    model(|| {
        let group = limited(2);
        group.set_backlog(3);
        let marks = marks::<3>();
        occupy(&group);
        occupy(&group);
        assert!(spawn(&group, 0, &[]) && spawn(&group, 1, &[]));
        group.set_limit(1);
        refill(&group, &*marks);
        let caller = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 2, &*marks)))
        };
        assert!(matches!(
            group.next(false, true),
            Next::Gone { start: false }
        ));
        // The other runner's task goes on until the caller has come.
        caller.join().unwrap();
        vacate(&group, &*marks);
        end(&group);
        each_once(&*marks);
    });
}

/// The backlog grows as a caller comes to wait for it. Catches: a backlog that is
/// set outside of the callers' lock, or no look at the callers afterwards (a
/// deadlock).
#[test]
fn a_grown_backlog_passes_a_caller_who_just_waits() {
    model(|| {
        let group = limited(1);
        let marks = marks::<1>();
        occupy(&group);
        let caller = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 0, &*marks)))
        };
        group.set_backlog(1);
        refill(&group, &*marks);
        caller.join().unwrap();
        vacate(&group, &*marks);
        end(&group);
        each_once(&*marks);
    });
}

/// A caller that was told of room goes away as another one comes. Catches:
/// `forget_caller` not telling the next (a deadlock).
#[test]
fn room_is_lost_with_the_caller_who_was_told() {
    model(|| {
        let group = limited(1);
        let marks = marks::<1>();
        occupy(&group);
        // The first caller waits, and will never come.
        let mut first = None;
        block_on(poll_fn(|cx| {
            assert!(group.poll_reserve(&mut first, cx).is_pending());
            std::task::Poll::Ready(())
        }));
        let second = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn_wait(&group, 0, &*marks)))
        };
        vacate(&group, &[]);
        group.forget_caller(first.unwrap());
        second.join().unwrap();
        end(&group);
        each_once(&*marks);
    });
}

/// The limit is raised as a task is queued behind a slot that never comes free.
/// Catches: `reserve` not looking at the limit again.
#[test]
fn a_raised_limit_passes_a_task_that_is_just_queued() {
    model(|| {
        let group = limited(1);
        let marks = marks::<1>();
        occupy(&group);
        let raiser = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || {
                group.set_limit(2);
                refill(&group, &*marks);
            })
        };
        assert!(spawn(&group, 0, &*marks));
        raiser.join().unwrap();
        each_once(&*marks);
    });
}

/// A task of the time without a limit ends as the limit is set and another task
/// queued. Catches: `leave` not looking at the limit, or looking before it
/// gives the slot back (deadlocks); `wait` not looking at what is pending.
#[test]
fn a_limit_set_against_a_finish_strands_a_task() {
    model(|| {
        let group = Arc::new(Group::new());
        let marks = marks::<1>();
        assert_eq!(group.enter(), Entry::Admitted);
        let finisher = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || leave(&group, &*marks))
        };
        group.set_limit(1);
        refill(&group, &*marks);
        assert!(spawn(&group, 0, &*marks));
        end(&group);
        each_once(&*marks);
        finisher.join().unwrap();
    });
}

/// A newcomer enters while the limit is set: it has a slot for a moment, and a
/// task is queued because of it. Catches: giving that slot back without a look
/// at what waits.
#[test]
fn an_entry_taken_back_strands_a_task() {
    model(|| {
        let group = Arc::new(Group::new());
        let marks = marks::<2>();
        let newcomer = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || match group.enter() {
                Entry::Admitted => {
                    marks[0].fetch_add(1, Relaxed);
                    leave(&group, &*marks);
                }
                Entry::Changed => {
                    leave(&group, &*marks);
                    assert!(spawn(&group, 0, &*marks));
                }
                Entry::Limited => assert!(spawn(&group, 0, &*marks)),
                Entry::Cancelled => unreachable!(),
            })
        };
        group.set_limit(1);
        assert!(spawn(&group, 1, &*marks));
        newcomer.join().unwrap();
        end(&group);
        each_once(&*marks);
    });
}

/// The owner goes away as the last task finishes. Catches: a dropped group that
/// does not count as cancelled for who looks, or a slot that the canceller keeps.
#[test]
fn a_group_is_dropped_as_its_last_task_finishes() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let marks = marks::<1>();
        assert_eq!(group.reserve(), Reserved::Room { start: false });
        group.push(0);
        let runner = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || vacate(&group, &*marks))
        };
        let dropped = cancel(&group, Cause::Dropped);
        assert!(group.is_cancelled());
        runner.join().unwrap();
        // Either it ran or it was dropped, and no slot is left in use.
        assert_eq!(dropped + marks[0].load(Relaxed), 1);
        let stats = group.stats();
        assert_eq!((stats.running, stats.pending), (0, 0));
    });
}

/// Cancelled while a task fails and a caller waits. Catches: a cause that is
/// stored after the caller was woken.
#[test]
fn a_caller_woken_by_an_error_does_not_find_it() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let caller = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                assert!(!spawn_wait(&group, 0, &[]));
                let error = |cause: &Cause<u8>| matches!(cause, Cause::Error(1));
                assert_eq!(group.with_cause(error), Some(true));
            })
        };
        cancel(&group, Cause::Error(1));
        caller.join().unwrap();
        vacate(&group, &[]);
        assert!(matches!(wait(&group), Err(WaitError::Failed(1))));
    });
}
