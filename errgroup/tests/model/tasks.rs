//! A tree, run by groups of tasks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use errgroup::{Group, Handle};
use tokio::time::Instant;

use crate::tree::{Act, At, End, Task, Tree, late};
use crate::wrong::Wrong;

/// Tasks that hold a slot, and all that the end of a group is held to.
struct Ledger {
    tree: Tree,
    at: At,
    running: AtomicUsize,
    spawned: AtomicUsize,
    started: AtomicUsize,
    alive: Arc<()>,
    wrong: Wrong,
}

/// Holds a slot.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn enter(ledger: &'a Ledger) -> Self {
        let before = ledger.running.fetch_add(1, SeqCst);
        ledger
            .wrong
            .unless(before < ledger.tree.limit, "over the limit");
        Self(&ledger.running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

type Ended = Pin<Box<dyn Future<Output = End> + Send>>;

/// What a group comes to that has nobody above it.
pub(crate) fn run(tree: Tree, at: At, wrong: Wrong) -> Ended {
    let due = Instant::now() + Duration::from_secs(60) * (u32::from(at.depth) + 1);
    let group = Group::new().deadline(due, late(at.depth));
    within(group, tree, at, wrong)
}

/// What that group comes to with the tree's tasks.
fn within(group: Group<u8>, tree: Tree, at: At, wrong: Wrong) -> Ended {
    Box::pin(async move {
        let cancelled = group.is_cancelled();
        let ledger = Arc::new(Ledger {
            tree: tree.clone(),
            at,
            running: AtomicUsize::new(0),
            spawned: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            alive: Arc::new(()),
            wrong,
        });
        let (group, wrong) = (group.limit(tree.limit), &ledger.wrong);
        let most: usize = tree.tasks.iter().map(Task::count).sum();
        for task in tree.tasks {
            spawn(&group.handle(), &ledger, task);
        }
        let handle = group.handle();
        let ended = tokio::spawn(group.wait()).await;
        let running = ledger.running.load(SeqCst) + Arc::strong_count(&ledger.alive) - 1;
        wrong.unless(
            running == 0 && handle.is_empty(),
            "a task is there after the end",
        );
        let spawned = ledger.spawned.load(SeqCst);
        let started = ledger.started.load(SeqCst);
        let dropped = handle.stats().not_started;
        wrong.unless(
            spawned <= most && started + dropped == spawned,
            "each was started or dropped, and counted once",
        );
        wrong.unless(!cancelled || started == 0, "started after the cancel");
        match ended {
            Ok(Ok(())) => End::Done,
            Ok(Err(error)) => End::Failed(error),
            Err(error) => match error.into_panic().downcast() {
                Ok(payload) => End::Panicked(*payload),
                Err(_) => wrong.say("a panic that is no task's"),
            },
        }
    })
}

fn spawn(group: &Handle<u8>, ledger: &Arc<Ledger>, task: Task) {
    let (handle, ledger) = (group.clone(), Arc::clone(ledger));
    let alive = Arc::clone(&ledger.alive);
    ledger.spawned.fetch_add(1, SeqCst);
    group.spawn(async move {
        ledger.started.fetch_add(1, SeqCst);
        let _alive = alive;
        let _running = Running::enter(&ledger);
        for _ in 0..task.turns {
            tokio::task::yield_now().await;
        }
        match task.act {
            Act::Succeed => {}
            Act::Fail(n) => return Err(n),
            Act::Panic(n) => std::panic::panic_any(n),
            Act::Cancel => handle.cancel(),
            Act::Listen => handle.cancelled().await,
            Act::Nest(task) => spawn(&handle, &ledger, *task),
            Act::Group(tree) => match run(tree, ledger.at.alone(), ledger.wrong.clone()).await {
                End::Done => {}
                End::Failed(n) => return Err(n),
                End::Panicked(n) => std::panic::panic_any(n),
            },
            Act::Child { tree, escalates } => child(&handle, &ledger, tree, escalates).await,
        }
        Ok(())
    });
}

async fn child(parent: &Handle<u8>, ledger: &Ledger, tree: Tree, escalates: bool) {
    let (at, wrong) = (ledger.at.child(&ledger.tree), &ledger.wrong);
    let due = Instant::now() + Duration::from_secs(60) * (u32::from(at.depth) + 1);
    let cancelled = parent.is_cancelled();
    let mut group = parent.child().deadline(due, late(at.depth));
    wrong.unless(
        !cancelled || group.is_cancelled(),
        "the child of a cancelled group goes on",
    );
    if escalates {
        group = group.escalate_to(parent);
    }
    let end = within(group, tree.clone(), at, wrong.clone()).await;
    let cancelled = parent.is_cancelled();
    wrong.of_a_child(&tree, at, &end, escalates, cancelled);
}
