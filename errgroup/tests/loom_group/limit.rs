//! A limit that is set or raised meanwhile.

use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::machine::{
    Group, each_once, end, leave, limited, marks, model, occupy, refill, run, spawn,
};
use crate::state::Entry;
use crate::word::Reserved;

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

/// Two runners have their first turn at once, and a third one is called for. Catches: one who
/// makes way and is not counted as idle, or whose runner is not counted as new (counts that
/// never come back to nothing, hence a deadlock).
#[test]
fn two_runners_make_way_for_the_same_third() {
    model(|| {
        let group = limited(3);
        let marks = marks::<4>();
        for task in 0..4 {
            let start = task < 2;
            assert_eq!(group.reserve(), Reserved::Room { start });
            group.push(task);
        }
        let other = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || run(&group, &*marks))
        };
        run(&group, &*marks);
        end(&group);
        each_once(&*marks);
        other.join().unwrap();
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
