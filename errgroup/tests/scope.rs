//! What only a scope does: tasks borrow, and its body is one of those who fail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use errgroup::{Outcome, Policy, Reason, Scope, WaitError, gather_scope, scope, try_scope};

#[test]
fn tasks_borrow_from_the_stack_and_write_to_it() {
    let words = ["a", "bb", "ccc"];
    let mut lengths = [0; 3];
    let sum = scope(|group| {
        group.set_limit(2);
        for (word, length) in words.iter().zip(&mut lengths) {
            group.spawn(|| {
                *length = word.len();
                Ok::<(), ()>(())
            });
        }
        Ok(words.len())
    });
    assert_eq!(sum, Ok(3));
    assert_eq!(lengths, [1, 2, 3]);
}

#[test]
fn an_error_may_borrow_too() {
    let name = String::from("disk");
    let result = scope(|group| {
        group.spawn(|| Err(name.as_str()));
        Ok(())
    });
    assert_eq!(result, Err("disk"));
}

#[test]
fn an_error_of_the_body_cancels() {
    let result: Result<(), &str> = scope(|group| {
        let sibling = group.clone();
        group.spawn(move || {
            sibling.wait_cancelled();
            assert_eq!(sibling.with_cause(ToString::to_string).unwrap(), "body");
            Ok(())
        });
        Err("body")
    });
    assert_eq!(result, Err("body"));
}

#[test]
fn a_panic_of_the_body_cancels_and_goes_on_once_every_task_is_gone() {
    let mut done = false;
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|group| -> Result<(), ()> {
            let sibling = group.clone();
            let done = &mut done;
            group.spawn(move || {
                sibling.wait_cancelled();
                *done = true;
                Ok(())
            });
            panic!("body");
        })
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"body"));
    assert!(done);
}

#[test]
fn tasks_run_on_threads_of_the_scope_not_on_the_callers() {
    let threads = std::sync::Mutex::new(std::collections::HashSet::new());
    scope(|group| {
        group.set_limit(2);
        for _ in 0..200 {
            group.spawn(|| {
                threads.lock().unwrap().insert(std::thread::current().id());
                Ok::<(), ()>(())
            });
        }
        Ok(())
    })
    .unwrap();
    assert!(
        !threads
            .lock()
            .unwrap()
            .contains(&std::thread::current().id())
    );
}

#[test]
fn a_caller_is_told_of_room_while_a_task_blocks_for_it() {
    const BACKLOG: usize = 16;
    let (done, is_done) = channel();
    let result = scope(|group| {
        group.set_limit(1);
        group.set_backlog(BACKLOG);
        let watched = group.clone();
        group.spawn(move || {
            while watched.stats().waiting == 0 {
                thread::yield_now();
            }
            Ok(())
        });
        group.spawn(move || is_done.recv_timeout(Duration::from_secs(60)));
        for _ in 1..BACKLOG {
            group.spawn(|| Ok(()));
        }
        // One place comes free when the first task ends; the second one blocks its
        // thread until this is back.
        assert!(group.spawn_wait(|| Ok(())).is_ok());
        done.send(()).unwrap();
        Ok(())
    });
    assert_eq!(result, Ok(()));
}

/// Spawns many tasks, and tasks of tasks, of a scope without a limit, where the
/// system refuses every thread: see the test below.
#[test]
fn child_without_threads() {
    if std::env::var_os("RUST_MIN_STACK").is_none() {
        return;
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err());
    const TASKS: usize = 100_000;
    let ran = AtomicUsize::new(0);
    scope(|group| {
        group.set_limit(0);
        for _ in 0..TASKS {
            let (group, ran) = (group.clone(), &ran);
            group.clone().spawn(move || {
                nest(&group, ran, 10);
                Ok::<(), ()>(())
            });
        }
        group.set_limit(usize::MAX);
        Ok(())
    })
    .unwrap();
    assert_eq!(ran.load(SeqCst), TASKS * 10);
    println!("all ran");
}

fn nest<'scope>(group: &Scope<'scope, '_, ()>, ran: &'scope AtomicUsize, depth: usize) {
    ran.fetch_add(1, SeqCst);
    if depth > 1 {
        let inner = group.clone();
        group.spawn(move || {
            nest(&inner, ran, depth - 1);
            Ok(())
        });
    }
}

#[test]
fn a_system_without_threads_loses_no_task_and_no_stack() {
    // Threads ask for a stack that nobody has, in a process of their own.
    let child = Command::new(std::env::current_exe().unwrap())
        .env("RUST_MIN_STACK", (1_u64 << 47).to_string())
        .args(["--exact", "child_without_threads", "--test-threads=1"])
        .arg("--nocapture")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("all ran"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

#[test]
fn a_scope_inside_a_task_of_a_scope() {
    let result = scope(|outer| {
        outer.set_limit(1);
        outer.spawn(|| {
            scope(|inner| {
                inner.set_limit(1);
                inner.spawn(|| Ok(()));
                inner.spawn(|| Err("from the inner scope"));
                Ok(())
            })
        });
        Ok(())
    });
    assert_eq!(result, Err("from the inner scope"));
}

#[test]
fn a_deadline_of_values_cancels_and_what_runs_is_kept() {
    let gathered = gather_scope::<_, (), _>(Policy::All, |gather| {
        gather.scope().set_limit(1);
        let scope = gather.scope().clone();
        let (runs, running) = channel();
        gather.spawn(move || {
            runs.send(()).unwrap();
            scope.wait_cancelled();
            Ok(1)
        });
        gather.spawn(|| Ok(2));
        // A task that has not begun by then does not begin at all.
        running.recv().unwrap();
        gather.deadline(Instant::now());
    });
    assert!(matches!(gathered.reports()[1].outcome, Outcome::NotStarted));
    assert_eq!(gathered.first_done(), Ok(1));
}

#[test]
fn try_scope_tells_every_end_from_the_others() {
    assert!(matches!(try_scope(|_| Ok::<_, ()>(5)), Ok(5)));
    let failed = try_scope(|group| {
        group.spawn(|| Err("broken"));
        Ok(())
    });
    assert!(matches!(failed, Err(WaitError::Failed("broken"))));
    let cancelled = try_scope(|group| {
        group.cancel();
        assert_eq!(group.reason(), Some(Reason::Cancelled));
        Ok::<_, ()>(())
    });
    assert!(matches!(cancelled, Err(WaitError::Cancelled)));
    let panicked = try_scope(|_| -> Result<(), ()> { panic!("body") });
    assert!(matches!(panicked, Err(WaitError::Panicked(_))));
}

/// The value may be the loan itself, and a task that runs comes to its own end.
#[test]
fn a_value_may_borrow_and_a_task_that_runs_is_not_aborted() {
    let text = String::from("some words");
    let result = scope(|group| {
        let word = group.spawn_value(|| Ok::<_, ()>(text.split(' ').next()));
        let (go, gone) = channel::<()>();
        let (start, started) = channel();
        let mut runs = group.spawn_value(move || {
            start.send(()).unwrap();
            gone.recv().unwrap();
            Ok(5)
        });
        started.recv().unwrap();
        runs.abort();
        go.send(()).unwrap();
        assert_eq!(runs.join(), Ok(5));
        Ok(word.join())
    });
    assert_eq!(result, Ok(Ok(Some("some"))));
}

#[test]
fn values_wait_for_room_and_what_is_refused_has_no_report() {
    let gathered = gather_scope::<_, (), _>(Policy::FirstSuccess, |gather| {
        gather.scope().set_limit(1);
        gather.scope().set_backlog(0);
        let (start, started) = channel();
        let (go, gone) = channel::<()>();
        assert_eq!(
            gather.spawn(move || {
                start.send(()).unwrap();
                gone.recv().map_err(|_| ())?;
                Err(())
            }),
            0
        );
        started.recv().unwrap();
        let full = gather.try_spawn(|| Ok(5)).unwrap_err();
        assert!(full.is_full());
        go.send(()).unwrap();
        // Waits for the first one, and is the first success.
        assert_eq!(gather.spawn_wait(full.into_task()).unwrap(), 1);
        gather.scope().wait_cancelled();
        let refused = gather.spawn_wait(|| Ok(6)).unwrap_err();
        assert_eq!(refused.into_task()(), Ok(6));
        assert!(gather.try_spawn(|| Ok(7)).is_err());
    });
    assert_eq!(gathered.reports().len(), 2);
    assert_eq!(gathered.first_done(), Ok(5));
}

#[test]
fn values_come_as_they_complete_and_are_not_returned_again() {
    let gathered = gather_scope::<_, &str, _>(Policy::All, |gather| {
        assert!(gather.next().is_none(), "none was spawned");
        let (tell, told) = channel::<()>();
        gather.spawn(move || told.recv().map_err(|_| "nobody tells").map(|()| 0));
        gather.spawn(|| Ok(1));
        gather.spawn(|| Err("broken"));
        let first_two = [gather.next().unwrap(), gather.next().unwrap()];
        let mut ended: Vec<_> = first_two.iter().map(|report| report.index).collect();
        ended.sort_unstable();
        assert_eq!(ended, [1, 2]);
        tell.send(()).unwrap();
        assert_eq!(gather.next().unwrap().outcome.done(), Some(0));
        assert!(gather.next().is_none());
        gather.spawn(|| Ok(3));
    });
    assert_eq!(gathered.into_values(), Ok(vec![3]));
}
