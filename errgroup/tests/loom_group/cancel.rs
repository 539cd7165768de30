//! The cancel: its cause, and whom it must reach.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::cause::Cause;
use crate::machine::{
    Group, cancel, end, limited, marks, model, occupy, run, spawn, spawn_wait, vacate, wait,
};
use crate::wait_error::WaitError;
use crate::word::Reserved;

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

/// The only slot comes back, a caller waits for it, and the group is cancelled, all at
/// once. Catches: a slot handed to a caller in another step than the one that looks for
/// the cancel, so that its task starts after it, or is in nobody's hands.
#[test]
fn a_slot_comes_back_to_a_caller_as_the_group_is_cancelled() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let marks = marks::<1>();
        let caller = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || spawn_wait(&group, 0, &*marks))
        };
        let runner = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || vacate(&group, &*marks))
        };
        let dropped = cancel(&group, Cause::Cancelled);
        let accepted = caller.join().unwrap();
        runner.join().unwrap();
        end(&group);
        // Accepted, it ran or the canceller dropped it; refused, it is the caller's.
        let ran = marks[0].load(Relaxed);
        assert_eq!(ran + dropped, usize::from(accepted));
    });
}

/// Somebody waits for the end while another cancels with an error. Catches: an end that
/// is handed out before the canceller, who still holds a slot, has given it back, or
/// without the error that the canceller has stored.
#[test]
fn a_group_ends_while_somebody_cancels_it() {
    model(|| {
        let group = limited(1);
        occupy(&group);
        let failing = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                cancel(&group, Cause::Error(1));
                vacate(&group, &[]);
            })
        };
        let canceller = {
            let group = Arc::clone(&group);
            thread::spawn(move || cancel(&group, Cause::Cancelled))
        };
        assert!(matches!(wait(&group), Err(WaitError::Failed(1))));
        failing.join().unwrap();
        canceller.join().unwrap();
    });
}
