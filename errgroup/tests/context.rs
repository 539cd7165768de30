//! The request's context goes with every task, and with no other.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use errgroup::{Context, Gather, Group, scope};

fn id() -> Option<String> {
    Context::current().map(|context| context.id().to_owned())
}

#[tokio::test]
async fn a_task_has_the_context_of_its_spawner_across_awaits() {
    for limit in [1, usize::MAX] {
        let group = Group::<Option<String>>::new().limit(limit);
        for name in ["one", "two"] {
            let handle = group.handle();
            Context::new(name).call(|| {
                group.spawn(async move {
                    tokio::task::yield_now().await;
                    if id().as_deref() != Some(name) {
                        return Err(id());
                    }
                    // And so has a task that the task spawns.
                    handle.spawn(async move {
                        if id().as_deref() == Some(name) {
                            Ok(())
                        } else {
                            Err(id())
                        }
                    });
                    Ok(())
                });
            });
        }
        group.spawn(async { id().map_or(Ok(()), |id| Err(Some(id))) });
        assert_eq!(group.wait().await, Ok(()));
        assert_eq!(id(), None);
    }
}

#[tokio::test]
async fn blocking_jobs_and_gathered_tasks_have_it_too() {
    let run = Context::new("request").run(async {
        let group = Group::<()>::new();
        group.spawn_blocking(|| if id().is_some() { Ok(()) } else { Err(()) });
        group.wait().await?;
        let gather = Gather::<_, ()>::new();
        gather.spawn(async { Ok(id()) });
        gather.wait().await.into_values().map_err(|_| ())
    });
    assert_eq!(run.await, Ok(vec![Some("request".to_owned())]));
}

#[test]
fn threads_of_a_scope_have_it_too() {
    let done = Context::new("request").call(|| {
        scope(|group| {
            group.set_limit(1);
            for _ in 0..2 {
                group.spawn(|| if id().is_some() { Ok(()) } else { Err("none") });
            }
            Ok(())
        })
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn the_earlier_deadline_holds() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    assert_eq!(
        Context::new("a").until(later).until(now).deadline(),
        Some(now)
    );
    assert_eq!(
        Context::new("a").until(now).until(later).deadline(),
        Some(now)
    );
}

#[test]
fn a_panic_leaves_the_context() {
    let left = std::panic::catch_unwind(|| Context::new("a").call(|| panic!("inside")));
    assert!(left.is_err());
    assert_eq!(id(), None);
}

#[test]
fn a_task_spawned_without_a_context_does_not_see_that_of_its_runtimes_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let group = Group::new();
    runtime.block_on(async {
        group.spawn(async { id().map_or(Ok(()), Err) });
    });
    let waited = Context::new("other").call(|| runtime.block_on(group.wait()));
    assert_eq!(waited, Ok(()));
}

#[tokio::test]
async fn a_task_is_dropped_in_its_context_however_it_ends() {
    /// Says in which context it was dropped.
    struct Dropped(Arc<Mutex<Vec<Option<String>>>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(id());
        }
    }

    for limit in [1, usize::MAX] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let group = Group::<()>::new().limit(limit).grace(Duration::ZERO);
        let (started, has_started) = tokio::sync::oneshot::channel();
        Context::new("request").call(|| {
            // Done; dropped by the grace; never started, with a limit of 1.
            let held = Dropped(Arc::clone(&seen));
            group.spawn(std::future::poll_fn(move |_| {
                let _held = &held;
                std::task::Poll::Ready(Ok(()))
            }));
            let held = Dropped(Arc::clone(&seen));
            group.spawn(async move {
                let _held = held;
                started.send(()).unwrap();
                std::future::pending().await
            });
            let held = Dropped(Arc::clone(&seen));
            group.spawn(async move {
                let _held = held;
                std::future::pending().await
            });
        });
        has_started.await.unwrap();
        group.cancel();
        group.wait().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), vec![Some("request".to_owned()); 3]);
    }
}
