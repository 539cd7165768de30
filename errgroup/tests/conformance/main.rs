//! One suite over both kinds of groups: tasks on tokio and threads of a scope
//! keep the same promises.

mod control;
mod members;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};

use errgroup::Stats;
use members::{
    Members, Run, Task, caught_on_tasks, caught_on_threads, due_tasks, due_threads, on_tasks,
    on_threads,
};
use tokio::task::block_in_place;

/// Each test over both kinds, by what sets them up.
macro_rules! both {
    ($($tasks:ident $threads:ident: $($name:ident)*;)*) => {
        mod tasks { $($(#[test] fn $name() { super::$name(super::$tasks); })*)* }
        mod threads { $($(#[test] fn $name() { super::$name(super::$threads); })*)* }
    };
}
pub(crate) use both;

both! {
    on_tasks on_threads:
    every_task_runs_once_and_no_more_than_the_limit_at_a_time
    tasks_run_side_by_side
    the_first_error_is_returned_and_its_siblings_see_it
    nothing_starts_after_the_cancel
    a_caller_who_waits_is_woken_by_the_cancel
    a_backlog_lets_callers_go_ahead_and_no_further
    a_backlog_set_meanwhile_lets_the_caller_in_who_waits
    a_nested_spawn_at_limit_1_waits_and_does_not_deadlock
    a_nested_spawn_wait_at_limit_1_does_not_wait_for_itself
    try_spawn_fails_while_the_group_is_full
    a_raised_limit_starts_what_waits
    a_panic_goes_on_with_its_payload_before_any_error
    a_cancel_by_hand_is_no_error_and_masks_none
    a_panic_in_the_drop_of_a_task_is_a_panic_of_the_task
    what_a_task_held_is_dropped_before_wait_returns;
    due_tasks due_threads:
    a_deadline_cancels_with_its_error;
    caught_on_tasks caught_on_threads:
    a_panic_can_be_an_error
    a_panic_as_an_error_has_precedence_too;
}

fn fine(_: &dyn Members) -> Result<(), String> {
    Ok(())
}

/// A task that holds its slot until it is told, and says that it has it.
fn holder() -> (Task, Receiver<()>, Sender<()>) {
    let (started, is_started) = channel();
    let (release, released) = channel::<()>();
    let task = move |_: &dyn Members| {
        started.send(()).unwrap();
        released.recv().unwrap();
        Ok(())
    };
    (Box::new(task), is_started, release)
}

/// Spawns a task, and comes back when it has started.
fn started(
    group: &dyn Members,
    task: impl FnOnce(&dyn Members) -> Result<(), String> + Send + 'static,
) {
    let (start, is_started) = channel();
    group.spawn(Box::new(move |group| {
        start.send(()).unwrap();
        task(group)
    }));
    // In a task of tokio's: the new one may lie where only this thread looks.
    block_in_place(|| is_started.recv()).unwrap();
}

fn every_task_runs_once_and_no_more_than_the_limit_at_a_time(run: Run) {
    let ran = Arc::new(AtomicUsize::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let result = run(&|group| {
        group.set_limit(2);
        for by_wait in (0..500).map(|n| n % 2 == 0) {
            let (ran, running) = (Arc::clone(&ran), Arc::clone(&running));
            let task = Box::new(move |_: &dyn Members| {
                assert!(running.fetch_add(1, SeqCst) < 2);
                ran.fetch_add(1, SeqCst);
                running.fetch_sub(1, SeqCst);
                Ok(())
            });
            if by_wait {
                assert!(group.spawn_wait(task));
            } else {
                group.spawn(task);
            }
        }
    });
    assert_eq!(result, Ok(()));
    assert_eq!(ran.load(SeqCst), 500);
}

fn tasks_run_side_by_side(run: Run) {
    for limit in [2, usize::MAX] {
        let both = Arc::new(Barrier::new(2));
        let result = run(&|group| {
            group.set_limit(limit);
            for _ in 0..2 {
                let both = Arc::clone(&both);
                group.spawn(Box::new(move |_| {
                    both.wait();
                    Ok(())
                }));
            }
        });
        assert_eq!(result, Ok(()));
    }
}

fn the_first_error_is_returned_and_its_siblings_see_it(run: Run) {
    let (seen, was_seen) = channel();
    let result = run(&|group| {
        let seen = seen.clone();
        started(group, move |group| {
            group.wait_cancelled();
            seen.send(group.cause()).unwrap();
            Err("late".into())
        });
        group.spawn(Box::new(|_| Err("disk full".into())));
    });
    assert_eq!(result, Err("disk full".into()));
    assert_eq!(was_seen.recv().unwrap().as_deref(), Some("disk full"));
}

fn nothing_starts_after_the_cancel(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        let (task, is_started, release) = holder();
        group.spawn(task);
        is_started.recv().unwrap();
        group.spawn(Box::new(|_| panic!("started after the cancel")));
        group.cancel();
        assert_eq!(group.stats().not_started, 1);
        group.spawn(Box::new(|_| panic!("started after the cancel")));
        assert_eq!(group.stats().not_started, 2);
        assert!(!group.try_spawn(Box::new(fine)));
        assert!(!group.spawn_wait(Box::new(fine)));
        release.send(()).unwrap();
    });
    assert_eq!(result, Ok(()));
}

fn a_caller_who_waits_is_woken_by_the_cancel(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        group.set_backlog(0);
        let (task, is_started, release) = holder();
        group.spawn(Box::new(|group| {
            task(group)?;
            // The body waits by now, or will find the group cancelled.
            group.cancel();
            group.wait_cancelled();
            Ok(())
        }));
        is_started.recv().unwrap();
        release.send(()).unwrap();
        // Not a sleep for ever: the slot is never free before the cancel.
        assert!(!group.spawn_wait(Box::new(fine)));
    });
    assert_eq!(result, Ok(()));
}

/// Waits for figures of which this is true.
fn watch(group: &dyn Members, seen: impl Fn(Stats) -> bool) -> Stats {
    loop {
        let stats = group.stats();
        if seen(stats) {
            return stats;
        }
        std::thread::yield_now();
    }
}

fn a_backlog_lets_callers_go_ahead_and_no_further(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        group.set_backlog(2);
        group.spawn(Box::new(|group| {
            let stats = watch(group, |stats| stats.waiting + stats.pending == 3);
            assert_eq!((stats.pending, stats.waiting), (2, 1));
            Ok(())
        }));
        // The third comes back when the first of all ends.
        for _ in 0..3 {
            assert!(group.spawn_wait(Box::new(fine)));
        }
    });
    assert_eq!(result, Ok(()));
}

fn a_backlog_set_meanwhile_lets_the_caller_in_who_waits(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        group.set_backlog(0);
        group.spawn(Box::new(|group| {
            watch(group, |stats| stats.waiting == 1);
            group.set_backlog(1);
            watch(group, |stats| stats.pending == 1);
            Ok(())
        }));
        assert!(group.spawn_wait(Box::new(fine)));
    });
    assert_eq!(result, Ok(()));
}

fn a_nested_spawn_at_limit_1_waits_and_does_not_deadlock(run: Run) {
    let (done, order) = channel();
    let result = run(&|group| {
        group.set_limit(1);
        let done = done.clone();
        group.spawn(Box::new(move |group| {
            let inner = done.clone();
            group.spawn(Box::new(move |_| {
                inner.send("child").unwrap();
                Ok(())
            }));
            done.send("parent").unwrap();
            Ok(())
        }));
    });
    assert_eq!(result, Ok(()));
    drop(done);
    assert_eq!(order.iter().collect::<Vec<_>>(), ["parent", "child"]);
}

fn a_nested_spawn_wait_at_limit_1_does_not_wait_for_itself(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        group.spawn(Box::new(|group| {
            assert!(group.spawn_wait(Box::new(fine)));
            assert_eq!(group.stats().pending, 1);
            Ok(())
        }));
    });
    assert_eq!(result, Ok(()));
}

fn try_spawn_fails_while_the_group_is_full(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        let (task, is_started, release) = holder();
        assert!(group.try_spawn(task));
        is_started.recv().unwrap();
        assert!(!group.try_spawn(Box::new(fine)));
        release.send(()).unwrap();
    });
    assert_eq!(result, Ok(()));
}

fn a_raised_limit_starts_what_waits(run: Run) {
    let result = run(&|group| {
        group.set_limit(0);
        let (task, is_started, release) = holder();
        group.spawn(task);
        assert_eq!(group.stats().pending, 1);
        group.set_limit(1);
        is_started.recv().unwrap();
        release.send(()).unwrap();
    });
    assert_eq!(result, Ok(()));
}

fn a_panic_goes_on_with_its_payload_before_any_error(run: Run) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(&|group| {
            started(group, |group| {
                group.wait_cancelled();
                std::panic::panic_any(7_u8);
            });
            group.spawn(Box::new(|_| Err("first".into())));
        })
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&7_u8));
}

fn a_cancel_by_hand_is_no_error_and_masks_none(run: Run) {
    assert_eq!(run(&|group| group.cancel()), Ok(()));
    let result = run(&|group| {
        group.spawn(Box::new(|group| {
            group.cancel();
            assert!(group.is_cancelled());
            assert_eq!(group.cause().as_deref(), Some("cancelled"));
            Err("real".into())
        }));
    });
    assert_eq!(result, Err("real".into()));
}

fn a_panic_in_the_drop_of_a_task_is_a_panic_of_the_task(run: Run) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(&|group| {
            group.set_limit(0);
            let bomb = Bomb;
            group.spawn(Box::new(move |_| {
                let _bomb = &bomb;
                Ok(())
            }));
            group.cancel();
        })
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"in drop"));
}

fn what_a_task_held_is_dropped_before_wait_returns(run: Run) {
    let held = Arc::new(());
    for limit in [0, 1, usize::MAX] {
        let result = run(&|group| {
            group.set_limit(limit);
            for _ in 0..8 {
                let held = Arc::clone(&held);
                group.spawn(Box::new(move |_| {
                    drop(held);
                    Ok(())
                }));
            }
            if limit == 0 {
                group.cancel();
            }
        });
        assert_eq!(result, Ok(()));
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

fn a_deadline_cancels_with_its_error(run: Run) {
    let result = run(&|group| {
        group.spawn(Box::new(|group| {
            group.wait_cancelled();
            assert_eq!(group.cause().as_deref(), Some("late"));
            Err("cancelled".to_owned())
        }));
        group.wait_cancelled();
    });
    assert_eq!(result, Err("late".to_owned()));
}

fn a_panic_can_be_an_error(run: Run) {
    let result = run(&|group| {
        group.spawn(Box::new(|_| panic!("broken")));
        group.wait_cancelled();
        assert_eq!(group.cause().as_deref(), Some("a task panicked: broken"));
    });
    assert_eq!(result, Err("a task panicked: broken".to_owned()));
}

fn a_panic_as_an_error_has_precedence_too(run: Run) {
    let result = run(&|group| {
        let (task, is_started, release) = holder();
        group.spawn(Box::new(|group| {
            task(group)?;
            panic!("late")
        }));
        is_started.recv().unwrap();
        group.spawn(Box::new(|_| Err("first".to_owned())));
        group.wait_cancelled();
        release.send(()).unwrap();
    });
    assert_eq!(result, Err("a task panicked: late".to_owned()));
}
