//! Spawning from inside a task of the same group. Go deadlocks here when the
//! group is full.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use errgroup::{Group, Handle};
use tokio::sync::oneshot;

/// A binary tree of tasks, each of which spawns its children and ends.
fn tree(
    handle: Handle<()>,
    depth: u32,
    nodes: Arc<AtomicUsize>,
    waiting: bool,
) -> Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> {
    Box::pin(async move {
        nodes.fetch_add(1, SeqCst);
        for _ in 0..if depth == 0 { 0 } else { 2 } {
            let child = tree(handle.clone(), depth - 1, Arc::clone(&nodes), waiting);
            if waiting {
                handle.spawn_wait(child).await.unwrap();
            } else {
                handle.spawn(child);
            }
        }
        Ok(())
    })
}

async fn grows(limit: usize, waiting: bool) {
    let group = Group::new().limit(limit);
    let nodes = Arc::new(AtomicUsize::new(0));
    group.spawn(tree(group.handle(), 6, Arc::clone(&nodes), waiting));
    group.wait().await.unwrap();
    assert_eq!(nodes.load(SeqCst), 127, "limit {limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_spawn_does_not_deadlock() {
    for limit in [1, 2, 64, usize::MAX] {
        grows(limit, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_spawn_wait_does_not_deadlock() {
    for limit in [1, 2, 64, usize::MAX] {
        grows(limit, true).await;
    }
}

#[tokio::test]
async fn a_nested_spawn_wait_resumes_without_waiting() {
    let group = Group::<()>::new().limit(1);
    let handle = group.handle();
    group.spawn(async move {
        for _ in 0..3 {
            handle.spawn_wait(async { Ok(()) }).await.unwrap();
        }
        assert_eq!(handle.stats().pending, 3);
        Ok(())
    });
    group.wait().await.unwrap();
}

#[tokio::test]
async fn a_task_of_another_group_does_wait() {
    let inner = Arc::new(Group::<()>::new().limit(1).backlog(0));
    let (release, released) = oneshot::channel::<()>();
    inner.spawn(async move {
        released.await.unwrap();
        Ok(())
    });
    let outer = Group::<()>::new();
    let handle = inner.handle();
    outer.spawn(async move {
        handle.spawn_wait(async { Ok(()) }).await.unwrap();
        Ok(())
    });
    while inner.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    outer.wait().await.unwrap();
}

#[tokio::test]
async fn a_group_inside_a_task_of_a_group() {
    let outer = Group::<&str>::new().limit(1);
    outer.spawn(async {
        let inner = Group::new().limit(1);
        inner.spawn(async { Ok(()) });
        inner.spawn(async { Err("from the inner group") });
        inner.wait().await
    });
    assert_eq!(outer.wait().await, Err("from the inner group"));
}
