//! A limit that is set or raised meanwhile.

use loom::sync::Arc;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use crate::machine::{
    Group, each_once, end, limited, marks, model, occupy, refill, run, spawn, vacate,
};
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

/// A limit is set while two tasks run without one, and one of them ends as another task is
/// queued. Catches: a runner that goes though there are not too many for the limit (a
/// deadlock, or the task is not run by the end).
#[test]
fn a_limit_set_against_a_finish_strands_a_task() {
    model(|| {
        let group = Arc::new(Group::new());
        let marks = marks::<1>();
        occupy(&group);
        occupy(&group);
        let finisher = {
            let (group, marks) = (Arc::clone(&group), Arc::clone(&marks));
            thread::spawn(move || vacate(&group, &*marks))
        };
        group.set_limit(1);
        refill(&group, &*marks);
        assert!(spawn(&group, 0, &*marks));
        vacate(&group, &*marks);
        end(&group);
        each_once(&*marks);
        finisher.join().unwrap();
    });
}
