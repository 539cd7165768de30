//! The groups: tiny tasks, each marks its own slot, waited for together.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use errgroup::Group;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::contestant::{Case, Contestant};
use crate::runtime::in_runtime;
use crate::slots::{Ledger, Slots};

/// The group case of this name.
#[must_use]
pub fn case(name: &'static str) -> Option<Case> {
    let (what, contestants) = match name {
        "errgroup/limit2" => ("spawn and run a task; 2 at a time", limited(2)),
        "errgroup/limit64" => ("spawn and run a task; 64 at a time", limited(64)),
        "errgroup/unlimited" => ("spawn and run a task; no limit", unlimited()),
        "errgroup/scoped" => ("run an uneven job on scoped threads; 2 threads", scoped()),
        _ => return None,
    };
    Some(Case::timed(name, what, contestants))
}

/// Ours, with so many tasks let in beyond the limit; unless it is set there are a
/// few.
fn ours_limited(who: &str, limit: usize, backlog: Option<usize>) -> Contestant {
    in_runtime(who, move |slots, jobs| async move {
        let group = Group::<Infallible>::new().limit(limit);
        if let Some(backlog) = backlog {
            group.set_backlog(backlog);
        }
        for at in 0..jobs {
            let task = async move {
                slots.mark(at);
                Ok(())
            };
            // Waits for room, as Go's waits for a slot.
            assert!(group.spawn_wait(task).await.is_ok(), "nothing cancels");
        }
        let Ok(()) = group.wait().await;
    })
}

fn limited(limit: usize) -> Vec<Contestant> {
    vec![
        ours_limited("ours", limit, None),
        ours_limited("ours:no backlog", limit, Some(0)).aside(),
        in_runtime("JoinSet", move |slots, jobs| async move {
            let mut set = JoinSet::new();
            for at in 0..jobs {
                if set.len() >= limit {
                    set.join_next().await;
                }
                set.spawn(async move { slots.mark(at) });
            }
            while set.join_next().await.is_some() {}
        }),
        in_runtime("semaphore+spawn", move |slots, jobs| async move {
            let slots_free = Arc::new(Semaphore::new(limit));
            for at in 0..jobs {
                let permit = Arc::clone(&slots_free).acquire_owned().await;
                let permit = permit.expect("is never closed");
                tokio::spawn(async move {
                    slots.mark(at);
                    drop(permit);
                });
            }
        }),
    ]
}

fn unlimited() -> Vec<Contestant> {
    vec![
        in_runtime("ours", |slots, jobs| async move {
            let group = Group::<Infallible>::new();
            for at in 0..jobs {
                group.spawn(async move {
                    slots.mark(at);
                    Ok(())
                });
            }
            let Ok(()) = group.wait().await;
        }),
        in_runtime("bare-spawn", |slots, jobs| async move {
            for at in 0..jobs {
                tokio::spawn(async move { slots.mark(at) });
            }
        }),
        in_runtime("JoinSet", |slots, jobs| async move {
            let mut set = JoinSet::new();
            for at in 0..jobs {
                set.spawn(async move { slots.mark(at) });
            }
            while set.join_next().await.is_some() {}
        }),
        in_runtime("TaskTracker", |slots, jobs| async move {
            let tracker = TaskTracker::new();
            for at in 0..jobs {
                tracker.spawn(async move { slots.mark(at) });
            }
            tracker.close();
            tracker.wait().await;
        }),
    ]
}

/// Threads of the scoped case.
const THREADS: usize = 2;
/// Steps of the longest job; the shortest has none.
const LONGEST: usize = 20_000;

/// Jobs of different length on threads that end with the case: spawned one by
/// one, or cut into as many chunks as there are threads.
fn scoped() -> Vec<Contestant> {
    vec![
        by_turn("ours", |slots, jobs| {
            let done: Result<(), Infallible> = errgroup::scope(|group| {
                group.set_limit(THREADS);
                for at in 0..jobs {
                    group.spawn(move || {
                        uneven(slots, at, jobs);
                        Ok(())
                    });
                }
                Ok(())
            });
            let Ok(()) = done;
        }),
        by_turn("thread::scope+chunks", |slots, jobs| {
            let chunk = jobs.div_ceil(THREADS);
            thread::scope(|scope| {
                for first in (0..jobs).step_by(chunk) {
                    scope.spawn(move || {
                        (first..jobs.min(first + chunk)).for_each(|at| uneven(slots, at, jobs));
                    });
                }
            });
        }),
    ]
}

/// The later jobs are the longer ones. One copy for all contestants, and in registers:
/// what passes through memory takes from one to two times as long, as the stack lies.
#[inline(never)]
fn uneven(slots: Slots, at: usize, jobs: usize) {
    let mut state = at as u64 | 1;
    for _ in 0..at * LONGEST / jobs {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
    slots.mark(at);
}

fn by_turn(who: &str, run: impl Fn(Slots, usize) + 'static) -> Contestant {
    let mut ledger = Ledger::default();
    Contestant::new(who, move |count| {
        ledger.with(count, |slots| {
            let jobs = usize::try_from(count).expect("fits the memory");
            let start = Instant::now();
            run(slots, jobs);
            start.elapsed()
        })
    })
}
