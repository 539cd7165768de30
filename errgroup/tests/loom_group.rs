//! Models of the group's state machine, each named after the interleaving it
//! rules out; every comment says which break of the protocol the model catches.
//! `RUSTFLAGS="--cfg loom_models" cargo test --release -p errgroup --test 'loom_*'`

#![cfg(loom_models)]
#![allow(dead_code, unreachable_pub)]

// The state machine itself, which is private to the crate.
#[path = "../src/cause.rs"]
mod cause;
#[path = "../src/queue.rs"]
mod queue;
#[path = "../src/state.rs"]
mod state;
#[path = "../src/stats.rs"]
mod stats;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/verdict.rs"]
mod verdict;
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
use state::{Entry, Pushed, Slot, State};
use verdict::Ending;

/// A task is the index of its mark.
type Group = State<usize, u8>;

fn limited(limit: usize) -> Arc<Group> {
    let group = Group::new();
    group.set_limit(limit);
    Arc::new(group)
}

/// What a runner does with a slot: this task, and then all that wait.
fn run(group: &Group, mut task: usize, marks: &[AtomicUsize]) {
    loop {
        marks[task].fetch_add(1, Relaxed);
        match group.next() {
            Some(next) => task = next,
            None => return,
        }
    }
}

/// What `spawn` does in a limited group, with the runner in line.
fn spawn(group: &Group, task: usize, marks: &[AtomicUsize]) -> bool {
    match group.push(task) {
        Pushed::Start(task) => run(group, task, marks),
        Pushed::Queued => {}
        Pushed::Cancelled(_) => return false,
    }
    true
}

fn leave(group: &Group, marks: &[AtomicUsize]) {
    if group.leave() {
        while let Some(task) = group.claim() {
            run(group, task, marks);
        }
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

fn wait(group: &Group) -> Ending<u8> {
    block_on(poll_fn(|cx| group.poll_join(cx)))
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
    loom::model(|| {
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
    loom::model(|| {
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
            Ending::Failed(error) => assert_eq!(seen, Some(error)),
            _ => panic!("the error is lost"),
        }
    });
}

/// Catches: `is_cancelled` not asked again under the watchers' lock; the flag
/// set after the wakers are taken. (Loom reports a deadlock.)
#[test]
fn a_watcher_sleeps_through_the_cancel() {
    loom::model(|| {
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
    loom::model(|| {
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
        wait(&group);
        effect.with(|_| ());
        task.join().unwrap();
    });
}

/// Catches: `end` in two steps, check and then close.
#[test]
fn a_task_enters_a_group_that_has_ended() {
    loom::model(|| {
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
        wait(&group);
        ended.store(1, Relaxed);
        spawner.join().unwrap();
    });
}

/// Catches: a slot given up (`next`) in another critical section than the one
/// that found nothing waiting: the task would wait for ever.
#[test]
fn a_task_is_queued_as_the_last_runner_goes() {
    loom::model(|| {
        let group = limited(1);
        let marks = marks::<2>();
        let other = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || assert!(spawn(&group, 0, &*marks)))
        };
        assert!(spawn(&group, 1, &*marks));
        other.join().unwrap();
        wait(&group);
        each_once(&*marks);
    });
}

/// The task spawns a child from inside its slot, the only one, and `wait` runs
/// beside it. Catches: `next` not taking what is pending (a deadlock).
#[test]
fn nested_spawn_at_limit_1_deadlocks() {
    loom::model(|| {
        let group = limited(1);
        let marks = marks::<2>();
        let Pushed::Start(parent) = group.push(0) else {
            panic!("the slot is free")
        };
        let runner = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || {
                assert_eq!(group.try_slot(), Slot::Full);
                assert!(matches!(group.push(1), Pushed::Queued));
                run(&group, parent, &*marks);
            })
        };
        wait(&group);
        each_once(&*marks);
        runner.join().unwrap();
    });
}

/// Catches: `push` not asking for the cancel under the queue's lock; the flag
/// set after the queue was emptied.
#[test]
fn a_task_is_queued_behind_the_back_of_the_cancel() {
    loom::model(|| {
        let group = limited(1);
        assert_eq!(group.try_slot(), Slot::Taken);
        let canceller = {
            let group = Arc::clone(&group);
            thread::spawn(move || cancel(&group, Cause::Cancelled))
        };
        let queued = spawn(&group, 0, &[]);
        // Taken out by the canceller, or refused: never both, never neither.
        assert_eq!(canceller.join().unwrap(), usize::from(queued));
        leave(&group, &[]);
        wait(&group);
    });
}

/// A caller waits for the only slot while the group is cancelled. Catches:
/// `poll_slot` not asking for the cancel under the queue's lock (a deadlock).
#[test]
fn a_caller_sleeps_through_the_cancel() {
    loom::model(|| {
        let group = limited(1);
        assert_eq!(group.try_slot(), Slot::Taken);
        let caller = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                let mut number = None;
                let slot = block_on(poll_fn(|cx| group.poll_slot(&mut number, cx)));
                assert_eq!(slot, Slot::Cancelled);
                if number.is_some_and(|number| group.forget_slot(number)) {
                    leave(&group, &[]);
                }
            })
        };
        cancel(&group, Cause::Cancelled);
        caller.join().unwrap();
        leave(&group, &[]);
        wait(&group);
    });
}

/// The only slot comes free just before the cancel: the caller gets it or hears
/// of the cancel, and the slot comes home in both cases. Catches: a granted
/// slot that the cancelled caller does not give back (a deadlock).
#[test]
fn a_slot_granted_against_the_cancel_is_lost() {
    loom::model(|| {
        let group = limited(1);
        assert_eq!(group.try_slot(), Slot::Taken);
        let caller = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                let mut number = None;
                match block_on(poll_fn(|cx| group.poll_slot(&mut number, cx))) {
                    Slot::Taken => assert_eq!(group.next(), None),
                    Slot::Cancelled => {
                        if number.is_some_and(|number| group.forget_slot(number)) {
                            leave(&group, &[]);
                        }
                    }
                    Slot::Full => unreachable!(),
                }
            })
        };
        assert_eq!(group.next(), None);
        cancel(&group, Cause::Cancelled);
        wait(&group);
        caller.join().unwrap();
    });
}

/// Two callers take turns in the only slot. Catches: a slot freed without a
/// look at the callers, or in another critical section (a deadlock).
#[test]
fn a_caller_sleeps_while_a_slot_is_free() {
    loom::model(|| {
        let group = limited(1);
        let other = {
            let group = Arc::clone(&group);
            thread::spawn(move || take_turn(&group))
        };
        take_turn(&group);
        other.join().unwrap();
        wait(&group);
    });

    fn take_turn(group: &Group) {
        let mut number = None;
        let slot = block_on(poll_fn(|cx| group.poll_slot(&mut number, cx)));
        assert_eq!(slot, Slot::Taken);
        assert_eq!(group.next(), None);
    }
}

/// A task of the time without a limit ends as the limit is set and another task
/// queued. Catches: `leave` not looking at the limit, or looking before it
/// gives the slot back (deadlocks); `wait` not looking at what is pending.
#[test]
fn a_limit_set_against_a_finish_strands_a_task() {
    loom::model(|| {
        let group = Arc::new(Group::new());
        let marks = marks::<1>();
        assert_eq!(group.enter(), Entry::Admitted);
        let finisher = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || leave(&group, &*marks))
        };
        group.set_limit(1);
        while let Some(task) = group.claim() {
            run(&group, task, &*marks);
        }
        assert!(spawn(&group, 0, &*marks));
        wait(&group);
        each_once(&*marks);
        finisher.join().unwrap();
    });
}

/// A newcomer enters while the limit is set: it has a slot for a moment, and a
/// task is queued because of it. Catches: giving that slot back without a look
/// at what waits.
#[test]
fn an_entry_taken_back_strands_a_task() {
    loom::model(|| {
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
        wait(&group);
        each_once(&*marks);
    });
}
