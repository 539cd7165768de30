//! Callers who wait for room.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};

use crate::machine::{
    Group, each_once, end, limited, marks, model, next, occupy, refill, spawn, spawn_wait, vacate,
};
use crate::state::Next;
use crate::word::Was;

/// Waits for room for that task, on a thread of its own.
fn caller_of<const N: usize>(
    group: &Arc<Group>,
    marks: &Arc<[AtomicUsize; N]>,
    task: usize,
) -> JoinHandle<()> {
    let (group, marks) = (Arc::clone(group), Arc::clone(marks));
    thread::spawn(move || assert!(spawn_wait(&group, task, &*marks)))
}

/// Two callers take turns in the only slot. Catches: room made without a look
/// at the callers; a caller that does not look for room once it has said that
/// it waits; a caller told, and the flag taken back (deadlocks).
#[test]
fn a_caller_sleeps_while_there_is_room() {
    model(|| {
        let group = limited(1);
        let marks = marks::<2>();
        let other = caller_of(&group, &marks, 0);
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
        let caller = caller_of(&group, &marks, 1);
        // The end of the first task; the second one runs until the caller came.
        let Next::Run { job, .. } = next(&group, Was::Busy) else {
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
        let caller = caller_of(&group, &marks, 3);
        let Next::Run { job, .. } = next(&group, Was::Busy) else {
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

/// One place of a backlog of two comes free, and the task that is taken blocks its thread
/// until the caller has come, as a job of a scope may. Catches: a place of so small a
/// backlog that is kept for later (a deadlock).
#[test]
fn a_caller_sleeps_though_a_place_of_a_small_backlog_is_free() {
    model(|| {
        let group = limited(1);
        group.set_backlog(2);
        let marks = marks::<3>();
        occupy(&group);
        for task in 0..2 {
            assert!(spawn(&group, task, &[]), "the backlog has room");
        }
        let caller = caller_of(&group, &marks, 2);
        let Next::Run { job, .. } = next(&group, Was::Busy) else {
            panic!("tasks were pending");
        };
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
        let caller = caller_of(&group, &marks, 2);
        assert!(matches!(
            next(&group, Was::Busy),
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
        let caller = caller_of(&group, &marks, 0);
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
        let second = caller_of(&group, &marks, 0);
        vacate(&group, &[]);
        group.forget_caller(first.unwrap());
        second.join().unwrap();
        end(&group);
        each_once(&*marks);
    });
}
