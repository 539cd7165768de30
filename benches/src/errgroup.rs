//! The groups: tiny tasks, each marks its own slot, waited for together.

use std::convert::Infallible;
use std::sync::Arc;

use errgroup::Group;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::contestant::{Case, Contestant};
use crate::runtime::in_runtime;

/// The group case of this name.
#[must_use]
pub fn case(name: &'static str) -> Option<Case> {
    let (what, contestants) = match name {
        "errgroup/limit2" => ("spawn and run a task; 2 at a time", limited(2)),
        "errgroup/limit64" => ("spawn and run a task; 64 at a time", limited(64)),
        "errgroup/unlimited" => ("spawn and run a task; no limit", unlimited()),
        _ => return None,
    };
    Some(Case::timed(name, what, contestants))
}

fn limited(limit: usize) -> Vec<Contestant> {
    vec![
        in_runtime("ours", move |slots, jobs| async move {
            let group = Group::<Infallible>::new().limit(limit);
            for at in 0..jobs {
                let task = async move {
                    slots.mark(at);
                    Ok(())
                };
                // Waits for a slot, as Go's does.
                assert!(group.spawn_wait(task).await.is_ok(), "nothing cancels");
            }
            let Ok(()) = group.wait().await;
        }),
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
