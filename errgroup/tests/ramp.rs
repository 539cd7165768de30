//! Tasks that block or compute come to run on as many threads as there are slots,
//! whoever spawns them.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use errgroup::{Group, Handle};
use tokio::runtime::Builder;

/// Runs `scenario` on a runtime of so many threads. If it hangs, so does its runtime,
/// hence it has a thread that can be left behind.
fn on<S>(threads: usize, scenario: impl FnOnce() -> S + Send + 'static)
where
    S: Future<Output = ()>,
{
    let (done, is_done) = channel();
    thread::spawn(move || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .unwrap();
        runtime.block_on(scenario());
        done.send(()).unwrap();
    });
    let ended = is_done.recv_timeout(Duration::from_secs(30));
    assert_ne!(
        ended,
        Err(RecvTimeoutError::Timeout),
        "a task got no thread"
    );
    ended.unwrap();
}

/// Where threads wait for each other; who comes later passes.
struct Meeting {
    missing: Mutex<usize>,
    all_came: Condvar,
}

impl Meeting {
    fn of(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            missing: Mutex::new(threads),
            all_came: Condvar::new(),
        })
    }

    fn join(&self) {
        let mut missing = self.missing.lock().unwrap();
        *missing = missing.saturating_sub(1);
        self.all_came.notify_all();
        let met = self.all_came.wait_while(missing, |missing| *missing > 0);
        drop(met.unwrap());
    }
}

fn spawn_to(meeting: &Arc<Meeting>, group: &Handle<()>, tasks: usize) {
    for _ in 0..tasks {
        let meeting = Arc::clone(meeting);
        group.spawn(async move {
            meeting.join();
            Ok(())
        });
    }
}

#[test]
fn spawned_from_outside() {
    for tasks in [8, 64] {
        on(8, move || async move {
            let group = Group::<()>::new().limit(8);
            let barrier = Arc::new(Barrier::new(8));
            for _ in 0..tasks {
                let barrier = Arc::clone(&barrier);
                group.spawn(async move {
                    barrier.wait();
                    Ok(())
                });
            }
            group.wait().await.unwrap();
        });
    }
}

#[test]
fn spawned_by_who_waits_for_room() {
    for backlog in [0, 16] {
        on(8, move || async move {
            let group = Group::<()>::new().limit(8).backlog(backlog);
            let barrier = Arc::new(Barrier::new(8));
            for _ in 0..64 {
                let barrier = Arc::clone(&barrier);
                let task = async move {
                    barrier.wait();
                    Ok(())
                };
                group.spawn_wait(task).await.unwrap();
            }
            group.wait().await.unwrap();
        });
    }
}

/// What a task of the runtime spawns last stays with its thread for as long as it
/// blocks, without a group too; the rest does not.
#[test]
fn spawned_by_a_task_that_blocks() {
    for limit in [9, usize::MAX] {
        on(8, move || async move {
            let group = Group::new().limit(limit);
            let (handle, meeting) = (group.handle(), Meeting::of(8));
            group.spawn(async move {
                spawn_to(&meeting, &handle, 8);
                meeting.join();
                Ok(())
            });
            group.wait().await.unwrap();
        });
    }
}

#[test]
fn spawned_by_tasks_that_block_and_are_not_in_the_group() {
    for limit in [8, usize::MAX] {
        on(8, move || async move {
            let group = Group::new().limit(limit);
            let meeting = Meeting::of(8);
            for children in [1, 1, 6] {
                let (handle, meeting) = (group.handle(), Arc::clone(&meeting));
                let (spawned, has_spawned) = tokio::sync::oneshot::channel();
                tokio::spawn(async move {
                    spawn_to(&meeting, &handle, children);
                    spawned.send(()).unwrap();
                    meeting.join();
                });
                has_spawned.await.unwrap();
            }
            group.wait().await.unwrap();
        });
    }
}

#[test]
fn spawned_by_a_task_that_ends() {
    for (threads, limit) in [(2, 2), (8, 8), (8, usize::MAX)] {
        on(threads, move || async move {
            let group = Group::new().limit(limit);
            let (handle, meeting) = (group.handle(), Meeting::of(threads));
            group.spawn(async move {
                spawn_to(&meeting, &handle, threads);
                Ok(())
            });
            group.wait().await.unwrap();
        });
    }
}
