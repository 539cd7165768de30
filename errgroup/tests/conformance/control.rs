//! What cancels from outside, what a cancel does there, children, single values, and what
//! an error does: over both kinds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use errgroup::{NoValue, Reason};
use tokio::sync::oneshot;

use crate::members::{
    Event, Members, Run, RunWith, due_tasks, due_threads, going_on_tasks, going_on_threads,
    ignoring_tasks, ignoring_threads, on_tasks, on_threads, until_tasks, until_threads,
};
use crate::{both, fine, holder, started};

both! {
    on_tasks on_threads:
    what_follows_the_cancel_finds_its_cause
    a_child_is_cancelled_with_its_parent_and_so_is_the_childs_own
    the_child_of_a_cancelled_group_is_so_from_the_start
    a_childs_failure_is_contained
    a_childs_failure_that_escalates_has_cancelled_when_the_child_returns
    a_childs_panic_escalates_too
    a_child_that_ends_well_or_is_cancelled_does_not_escalate
    a_childs_limit_is_its_own
    a_value_can_be_had_and_an_error_is_the_groups
    a_value_is_not_there_for_a_reason
    one_task_is_aborted_before_it_starts
    siblings_share_the_error
    the_first_of_errors_that_come_at_once_is_the_cause_and_the_result
    the_group_knows_how_many_are_in_it;
    due_tasks due_threads:
    a_deadline_of_the_parent_cancels_the_child;
    until_tasks until_threads:
    an_event_cancels_by_hand
    an_event_that_never_comes_does_not_hold_up_the_end
    an_event_is_dropped_with_the_cancel
    a_panic_of_an_event_is_one_of_the_group;
    going_on_tasks going_on_threads:
    all_run_and_the_first_error_is_returned;
    ignoring_tasks ignoring_threads:
    errors_are_counted_and_a_panic_is_not_ignored;
}

fn waits(group: &dyn Members) -> Result<(), String> {
    group.wait_cancelled();
    Ok(())
}

fn what_follows_the_cancel_finds_its_cause(run: Run) {
    let result = run(&|group| {
        let (told, is_told) = channel();
        group.on_cancel(Box::new(move || told.send(()).unwrap()));
        started(group, move |group| {
            is_told.recv().unwrap();
            assert_eq!(group.cause().as_deref(), Some("disk full"));
            Ok(())
        });
        group.spawn(Box::new(|_| Err("disk full".into())));
    });
    assert_eq!(result, Err("disk full".into()));
}

fn a_child_is_cancelled_with_its_parent_and_so_is_the_childs_own(run: Run) {
    let result = run(&|parent| {
        let (start, is_started) = channel();
        parent.spawn(Box::new(move |parent| {
            let ended = parent.child(false, &|child| {
                started(child, |child| {
                    child.wait_cancelled();
                    assert_eq!(child.reason(), Some(Reason::Cancelled));
                    Ok(())
                });
                let start = start.clone();
                child.spawn(Box::new(move |child| {
                    child.child(false, &|grandchild| {
                        started(grandchild, waits);
                        start.send(()).unwrap();
                    })
                }));
            });
            assert_eq!(ended, Ok(()), "a cancel by hand is no error");
            Ok(())
        }));
        is_started.recv().unwrap();
        parent.spawn(Box::new(|_| Err("disk full".into())));
    });
    assert_eq!(result, Err("disk full".into()));
}

fn a_deadline_of_the_parent_cancels_the_child(run: Run) {
    let result = run(&|parent| {
        let ended = parent.child(false, &|child| {
            child.spawn(Box::new(waits));
            child.wait_cancelled();
        });
        assert_eq!(ended, Ok(()), "the error is the parent's");
    });
    assert_eq!(result, Err("late".into()));
}

fn the_child_of_a_cancelled_group_is_so_from_the_start(run: Run) {
    let result = run(&|parent| {
        parent.cancel();
        let ended = parent.child(true, &|child| {
            assert!(child.is_cancelled());
            child.spawn(Box::new(|_| panic!("started after the cancel")));
            assert_eq!(child.stats().not_started, 1);
        });
        assert_eq!(ended, Ok(()));
    });
    assert_eq!(result, Ok(()));
}

fn a_childs_failure_is_contained(run: Run) {
    let result = run(&|parent| {
        let ended = parent.child(false, &|child| {
            child.spawn(Box::new(|_| Err("the child's own".into())));
        });
        assert_eq!(ended, Err("the child's own".into()));
        assert!(!parent.is_cancelled());
        assert!(parent.try_spawn(Box::new(fine)));
    });
    assert_eq!(result, Ok(()));
}

fn a_childs_failure_that_escalates_has_cancelled_when_the_child_returns(run: Run) {
    for limit in [1, usize::MAX] {
        let result = run(&|parent| {
            started(parent, waits);
            let ended = parent.child(true, &|child| {
                child.set_limit(limit);
                child.spawn(Box::new(|_| Err("the child's own".into())));
            });
            assert_eq!(ended, Err("the child's own".into()));
            assert_eq!(parent.reason(), Some(Reason::Cancelled));
        });
        assert_eq!(result, Ok(()), "returned by the child only");
    }
}

fn a_childs_panic_escalates_too(run: Run) {
    let result = run(&|parent| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            parent.child(true, &|child| child.spawn(Box::new(|_| panic!("broken"))))
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"broken"));
        assert!(parent.is_cancelled());
    });
    assert_eq!(result, Ok(()));
}

fn a_child_that_ends_well_or_is_cancelled_does_not_escalate(run: Run) {
    let result = run(&|parent| {
        let well = parent.child(true, &|child| child.spawn(Box::new(fine)));
        let cancelled = parent.child(true, &|child| child.cancel());
        assert_eq!((well, cancelled), (Ok(()), Ok(())));
        assert!(!parent.is_cancelled());
    });
    assert_eq!(result, Ok(()));
}

/// The parent's only slot is the one of the task that runs the child.
fn a_childs_limit_is_its_own(run: Run) {
    let ran = Arc::new(AtomicUsize::new(0));
    let result = run(&|parent| {
        parent.set_limit(1);
        let ran = Arc::clone(&ran);
        parent.spawn(Box::new(move |parent| {
            parent.child(false, &|child| {
                child.set_limit(2);
                for _ in 0..10 {
                    let ran = Arc::clone(&ran);
                    child.spawn(Box::new(move |_| {
                        ran.fetch_add(1, SeqCst);
                        Ok(())
                    }));
                }
            })
        }));
    });
    assert_eq!((result, ran.load(SeqCst)), (Ok(()), 10));
}

fn a_value_can_be_had_and_an_error_is_the_groups(run: Run) {
    let result = run(&|group| {
        let value = group.spawn_value(Box::new(|| Ok(5)));
        assert_eq!(value.join(), Ok(5));
        let none = group.spawn_value(Box::new(|| Err("broken".into())));
        assert_eq!(none.join(), Err(NoValue::Failed));
        group.wait_cancelled();
    });
    assert_eq!(result, Err("broken".into()));
}

fn a_value_is_not_there_for_a_reason(run: Run) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run(&|group| {
            group.set_limit(1);
            let (task, is_started, release) = holder();
            group.spawn(task);
            is_started.recv().unwrap();
            let panics = group.spawn_value(Box::new(|| panic!("broken")));
            let waits = group.spawn_value(Box::new(|| Ok(1)));
            assert!(!panics.is_finished());
            release.send(()).unwrap();
            assert_eq!(panics.join(), Err(NoValue::Panicked));
            assert_eq!(waits.join(), Err(NoValue::NotStarted));
            let refused = group.spawn_value(Box::new(|| Ok(2)));
            assert!(refused.is_finished());
            assert_eq!(refused.join(), Err(NoValue::NotStarted));
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"broken"));
}

fn one_task_is_aborted_before_it_starts(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        let (task, is_started, release) = holder();
        group.spawn(task);
        is_started.recv().unwrap();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let mut never = group.spawn_value(Box::new(move || {
            let _holds = holds;
            panic!("started after its abort")
        }));
        let sibling = group.spawn_value(Box::new(|| Ok(7)));
        never.abort();
        release.send(()).unwrap();
        assert_eq!(never.join(), Err(NoValue::Aborted));
        assert_eq!(Arc::strong_count(&held), 1, "it is gone");
        assert_eq!(sibling.join(), Ok(7));
    });
    assert_eq!(result, Ok(()));
}

fn siblings_share_the_error(run: Run) {
    let result = run(&|group| {
        assert_eq!(group.error(), None);
        started(group, |group| {
            group.wait_cancelled();
            assert_eq!(group.error().as_deref(), Some("disk full"));
            Ok(())
        });
        group.spawn(Box::new(|_| Err("disk full".into())));
    });
    assert_eq!(result, Err("disk full".into()));
}

fn the_first_of_errors_that_come_at_once_is_the_cause_and_the_result(run: Run) {
    for _ in 0..50 {
        let cause = std::sync::Mutex::new(None);
        let result = run(&|group| {
            let together = Arc::new(Barrier::new(3));
            for n in 0..3 {
                let together = Arc::clone(&together);
                group.spawn(Box::new(move |_| {
                    together.wait();
                    Err(n.to_string())
                }));
            }
            group.wait_cancelled();
            *cause.lock().unwrap() = group.cause();
        });
        let cause = cause.into_inner().unwrap().expect("it is there by then");
        assert_eq!(result, Err(cause));
    }
}

fn the_group_knows_how_many_are_in_it(run: Run) {
    let result = run(&|group| {
        assert!(group.is_empty());
        group.set_limit(1);
        let (task, is_started, release) = holder();
        group.spawn(task);
        is_started.recv().unwrap();
        group.spawn(Box::new(fine));
        assert_eq!((group.len(), group.is_empty()), (2, false));
        release.send(()).unwrap();
    });
    assert_eq!(result, Ok(()));
}

fn an_event_cancels_by_hand(run: RunWith) {
    let (happen, event) = oneshot::channel();
    let happen = std::sync::Mutex::new(Some(happen));
    let result = run(wrapped(event), &|group| {
        started(group, waits);
        assert!(!group.is_cancelled());
        drop(happen.lock().unwrap().take());
        group.wait_cancelled();
        assert_eq!(group.reason(), Some(Reason::Cancelled));
    });
    assert_eq!(result, Ok(()));
}

fn wrapped(event: oneshot::Receiver<()>) -> Event {
    Box::pin(async {
        // Sent or dropped.
        let _ = event.await;
    })
}

fn an_event_that_never_comes_does_not_hold_up_the_end(run: RunWith) {
    let result = run(Box::pin(std::future::pending()), &|group| {
        group.spawn(Box::new(fine));
    });
    assert_eq!(result, Ok(()));
}

fn an_event_is_dropped_with_the_cancel(run: RunWith) {
    let (happen, event) = oneshot::channel();
    let happen = std::sync::Mutex::new(Some(happen));
    let result = run(wrapped(event), &|group| {
        group.cancel();
        let mut happen = happen.lock().unwrap().take().unwrap();
        // The other end goes.
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(happen.closed());
    });
    assert_eq!(result, Ok(()));
}

fn a_panic_of_an_event_is_one_of_the_group(run: RunWith) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run(Box::pin(async { panic!("no such signal") }), &|group| {
            group.wait_cancelled();
        })
    }));
    assert_eq!(
        panicked.unwrap_err().downcast_ref(),
        Some(&"no such signal")
    );
}

fn all_run_and_the_first_error_is_returned(run: Run) {
    let ran = Arc::new(AtomicUsize::new(0));
    let result = run(&|group| {
        group.set_limit(1);
        for n in 0..9 {
            let ran = Arc::clone(&ran);
            group.spawn(Box::new(move |group| {
                ran.fetch_add(1, SeqCst);
                assert!(!group.is_cancelled());
                if n % 3 == 1 {
                    Err(n.to_string())
                } else {
                    Ok(())
                }
            }));
        }
    });
    assert_eq!((result, ran.load(SeqCst)), (Err("1".into()), 9));
}

fn errors_are_counted_and_a_panic_is_not_ignored(run: Run) {
    let result = run(&|group| {
        group.set_limit(1);
        for _ in 0..3 {
            group.spawn(Box::new(|_| Err("counted".into())));
        }
        group.spawn(Box::new(|group| {
            assert_eq!(group.stats().failed, 3);
            assert!(!group.is_cancelled());
            Ok(())
        }));
    });
    assert_eq!(result, Ok(()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run(&|group| group.spawn(Box::new(|_| panic!("this cancels"))))
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"this cancels"));
}
