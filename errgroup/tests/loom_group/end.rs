//! The last task and the end.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use crate::cause::Cause;
use crate::machine::{
    Group, cancel, each_once, end, limited, marks, model, occupy, put, spawn, vacate, wait,
};
use crate::state::Cancelled;
use crate::wait_error::WaitError;
use crate::word::Reserved;

/// Catches: the join flag set after the count was read (a deadlock); a `take` that
/// does not release the task's effects, or an `end` that does not acquire them.
#[test]
fn wait_misses_the_last_finish_or_its_effects() {
    model(|| {
        let group = limited(1);
        // Loom checks that the read comes after the write.
        let effect = Arc::new(UnsafeCell::new(()));
        occupy(&group);
        let task = {
            let (group, effect) = (Arc::clone(&group), Arc::clone(&effect));
            thread::spawn(move || {
                effect.with_mut(|_| ());
                vacate(&group, &[]);
            })
        };
        end(&group);
        effect.with(|_| ());
        task.join().unwrap();
    });
}

/// The canceller drops tasks. Catches: a `sub` that does not release what they do then; a
/// canceller that has no slot meanwhile.
#[test]
fn wait_misses_the_drop_of_a_task() {
    model(|| {
        let group = limited(0);
        let effect = Arc::new(UnsafeCell::new(()));
        assert!(spawn(&group, 0, &[]));
        let canceller = {
            let (group, effect) = (Arc::clone(&group), Arc::clone(&effect));
            thread::spawn(move || {
                let cancelled = group.cancel(Cause::Cancelled);
                assert!(matches!(cancelled, Cancelled::First(_)));
                effect.with_mut(|_| ());
                group.leave();
            })
        };
        end(&group);
        effect.with(|_| ());
        canceller.join().unwrap();
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
            thread::spawn(move || {
                let reserved = group.reserve();
                if reserved != Reserved::Cancelled {
                    assert_eq!(ended.load(Relaxed), 0);
                    put(&group, &reserved, 0, &*marks::<1>());
                }
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

/// A deadline passes as the last task of a cancelled group ends, and has the parents told
/// of it. Catches: an end with the error but before the parents know, as nobody holds a
/// slot for who tells them; parents who are told of what came after the end.
#[test]
fn a_failure_from_outside_reaches_the_parents_after_the_end() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        cancel(&group, Cause::Cancelled);
        let told = marks::<1>();
        let deadline = {
            let (group, told) = (Arc::clone(&group), Arc::clone(&told));
            thread::spawn(move || {
                group.hold();
                let counts = !matches!(group.cancel(Cause::Error(1)), Cancelled::Ended(_));
                told[0].store(usize::from(counts), Relaxed);
                group.leave();
                counts
            })
        };
        let runner = {
            let group = Arc::clone(&group);
            thread::spawn(move || vacate(&group, &[]))
        };
        let failed = matches!(wait(&group), Err(WaitError::Failed(1)));
        let knew = told[0].load(Relaxed) == 1;
        assert_eq!(failed, knew, "before `wait` is back, or never");
        assert_eq!(deadline.join().unwrap(), failed);
        runner.join().unwrap();
    });
}
