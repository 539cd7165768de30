//! A tree, run by scopes of threads; none waits for a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use errgroup::{Scope, scope};

use crate::tree::{Act, At, End, Task, Tree};
use crate::wrong::Wrong;

struct Ledger {
    tree: Tree,
    at: At,
    running: AtomicUsize,
    wrong: Wrong,
}

/// What a scope comes to that has nobody above it.
pub(crate) fn run(tree: &Tree, at: At, wrong: &Wrong) -> End {
    let ledger = ledger(tree, at, wrong);
    ended(wrong, || scope(|group| fill(group, &ledger)))
}

fn ledger(tree: &Tree, at: At, wrong: &Wrong) -> Arc<Ledger> {
    Arc::new(Ledger {
        tree: tree.clone(),
        at,
        running: AtomicUsize::new(0),
        wrong: wrong.clone(),
    })
}

fn ended(wrong: &Wrong, run: impl FnOnce() -> Result<(), u8>) -> End {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => End::Done,
        Ok(Err(error)) => End::Failed(error),
        Err(payload) => match payload.downcast() {
            Ok(payload) => End::Panicked(*payload),
            Err(_) => wrong.say("a panic that is no task's"),
        },
    }
}

/// Spawns the tree's tasks.
fn fill(group: &Scope<'_, '_, u8>, ledger: &Arc<Ledger>) -> Result<(), u8> {
    group.set_limit(ledger.tree.limit);
    for task in &ledger.tree.tasks {
        spawn(group, ledger, task.clone());
    }
    Ok(())
}

fn spawn(group: &Scope<'_, '_, u8>, ledger: &Arc<Ledger>, task: Task) {
    let (scope, ledger) = (group.clone(), Arc::clone(ledger));
    group.spawn(move || {
        let before = ledger.running.fetch_add(1, SeqCst);
        ledger
            .wrong
            .unless(before < ledger.tree.limit, "over the limit");
        let done = catch_unwind(AssertUnwindSafe(|| act(&scope, &ledger, task)));
        ledger.running.fetch_sub(1, SeqCst);
        done.unwrap_or_else(|payload| resume_unwind(payload))
    });
}

fn act(group: &Scope<'_, '_, u8>, ledger: &Arc<Ledger>, task: Task) -> Result<(), u8> {
    let (at, wrong) = (ledger.at, &ledger.wrong);
    for _ in 0..task.turns {
        std::thread::yield_now();
    }
    match task.act {
        Act::Succeed => {}
        Act::Fail(n) => return Err(n),
        Act::Panic(n) => panic_any(n),
        Act::Cancel => group.cancel(),
        Act::Listen => group.wait_cancelled(),
        Act::Nest(task) => spawn(group, ledger, *task),
        Act::Group(tree) => match run(&tree, at.alone(), wrong) {
            End::Done => {}
            End::Failed(n) => return Err(n),
            End::Panicked(n) => panic_any(n),
        },
        Act::Child { tree, escalates } => {
            let at = at.child(&ledger.tree);
            let inner = self::ledger(&tree, at, wrong);
            let end = ended(wrong, || {
                group.child(|child| {
                    if escalates {
                        child.escalate_to(group);
                    }
                    fill(child, &inner)
                })
            });
            let left = inner.running.load(SeqCst) + Arc::strong_count(&inner) - 1;
            wrong.unless(left == 0, "a task is there after the end");
            wrong.of_a_child(&tree, at, &end, escalates, group.is_cancelled());
        }
    }
    Ok(())
}
