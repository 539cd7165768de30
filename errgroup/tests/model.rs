//! Random trees of groups against a simple model: what `wait` returns, who ran,
//! and that nothing is left.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use errgroup::Group;
use proptest::prelude::*;
use tokio::time::Instant;

/// What a task does, after as many turns of the runtime as it is told.
#[derive(Debug, Clone)]
enum Act {
    Succeed,
    Fail(u8),
    Panic(u8),
    Cancel,
    /// Waits for the cancel, of which there may be none: hence for a deadline
    /// too, that the group then has.
    Listen,
    /// Spawns a task into its own group.
    Nest(Box<Task>),
    /// Runs a group of its own; what that one returns it returns.
    Group(Tree),
}

#[derive(Debug, Clone)]
struct Task {
    turns: u8,
    act: Act,
}

#[derive(Debug, Clone)]
struct Tree {
    limit: usize,
    tasks: Vec<Task>,
}

const LATE: u8 = u8::MAX;

/// How a group can end.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Done,
    Failed(u8),
    Panicked(u8),
}

impl Tree {
    /// Whether `end` is one that this group may come to.
    fn allows(&self, end: &End) -> bool {
        match end {
            // Only if nobody who must have run can have failed first: then the
            // cancel by hand was before it, and it was never started.
            End::Done => {
                let fatal = self.tasks.iter().any(Task::must_fail);
                !fatal || self.tasks.iter().any(Task::may_cancel)
            }
            End::Failed(LATE) => self.tasks.iter().any(Task::listens),
            end => self.tasks.iter().any(|task| task.may_end(end)),
        }
    }
}

impl Tree {
    /// The end it comes to whatever comes first: if nothing cancels, or if one task
    /// at most does not succeed.
    fn only_end(&self) -> Option<End> {
        let mut ends = self.tasks.iter().filter_map(Task::only_end);
        let first = ends.next();
        let rest: Vec<_> = ends.collect();
        if self.tasks.iter().any(|task| task.only_end().is_none()) {
            return None;
        }
        let first = first.unwrap_or(End::Done);
        let failures: Vec<_> = rest
            .into_iter()
            .chain([first])
            .filter(|end| *end != End::Done)
            .collect();
        match &failures[..] {
            [] => Some(End::Done),
            [one] => Some(one.clone()),
            _ => None,
        }
    }
}

impl Task {
    /// As that of a group; `None` if it may cancel or waits for the cancel.
    fn only_end(&self) -> Option<End> {
        match &self.act {
            Act::Succeed => Some(End::Done),
            Act::Fail(n) => Some(End::Failed(*n)),
            Act::Panic(n) => Some(End::Panicked(*n)),
            Act::Cancel | Act::Listen => None,
            Act::Nest(task) => task.only_end(),
            Act::Group(tree) => tree.only_end(),
        }
    }

    fn may_end(&self, end: &End) -> bool {
        match (&self.act, end) {
            (Act::Fail(n), End::Failed(m)) | (Act::Panic(n), End::Panicked(m)) => n == m,
            (Act::Nest(task), end) => task.may_end(end),
            (Act::Group(tree), end) => *end != End::Done && tree.allows(end),
            _ => false,
        }
    }

    fn must_fail(&self) -> bool {
        match &self.act {
            Act::Fail(_) | Act::Panic(_) => true,
            Act::Nest(task) => task.must_fail(),
            Act::Group(tree) => !tree.allows(&End::Done),
            Act::Succeed | Act::Cancel | Act::Listen => false,
        }
    }

    fn may_cancel(&self) -> bool {
        match &self.act {
            Act::Cancel => true,
            Act::Nest(task) => task.may_cancel(),
            _ => false,
        }
    }

    /// Whether it waits, in this group, for a cancel.
    fn listens(&self) -> bool {
        match &self.act {
            Act::Listen => true,
            Act::Nest(task) => task.listens(),
            Act::Group(tree) => tree.tasks.iter().any(Task::listens),
            _ => false,
        }
    }

    fn count(&self) -> usize {
        match &self.act {
            Act::Nest(task) => 1 + task.count(),
            _ => 1,
        }
    }
}

/// Counts tasks that hold a slot.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn enter(running: &'a AtomicUsize, limit: usize) -> Self {
        assert!(running.fetch_add(1, SeqCst) < limit, "over the limit");
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Shared {
    limit: usize,
    running: AtomicUsize,
    spawned: AtomicUsize,
    started: AtomicUsize,
    alive: Arc<()>,
}

fn run(tree: Tree) -> std::pin::Pin<Box<dyn Future<Output = Result<(), u8>> + Send>> {
    Box::pin(async move {
        let shared = Arc::new(Shared {
            limit: tree.limit,
            running: AtomicUsize::new(0),
            spawned: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            alive: Arc::new(()),
        });
        let late = Instant::now() + Duration::from_secs(60);
        let group = Group::new().limit(tree.limit).deadline(late, LATE);
        let most: usize = tree.tasks.iter().map(Task::count).sum();
        for task in tree.tasks {
            spawn(&group.handle(), &shared, task);
        }
        let handle = group.handle();
        let ended = tokio::spawn(group.wait()).await;
        // Every task is gone, with all it held.
        assert_eq!(shared.running.load(SeqCst), 0);
        assert_eq!(Arc::strong_count(&shared.alive), 1);
        assert!(handle.is_empty());
        // Each was started or dropped unstarted, and counted once.
        let spawned = shared.spawned.load(SeqCst);
        assert!(spawned <= most);
        let started = shared.started.load(SeqCst);
        assert_eq!(started + handle.stats().not_started, spawned);
        match ended {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    })
}

fn spawn(group: &errgroup::Handle<u8>, shared: &Arc<Shared>, task: Task) {
    let (handle, alive, mine) = (group.clone(), Arc::clone(&shared.alive), Arc::clone(shared));
    shared.spawned.fetch_add(1, SeqCst);
    group.spawn(async move {
        mine.started.fetch_add(1, SeqCst);
        let _alive = alive;
        let _running = Running::enter(&mine.running, mine.limit);
        for _ in 0..task.turns {
            tokio::task::yield_now().await;
        }
        match task.act {
            Act::Succeed => {}
            Act::Fail(n) => return Err(n),
            Act::Panic(n) => std::panic::panic_any(n),
            Act::Cancel => handle.cancel(),
            Act::Listen => handle.cancelled().await,
            Act::Nest(task) => spawn(&handle, &mine, *task),
            Act::Group(tree) => return run(tree).await,
        }
        Ok(())
    });
}

fn task() -> impl Strategy<Value = Task> {
    let act = prop_oneof![
        4 => Just(Act::Succeed),
        1 => (0..9_u8).prop_map(Act::Fail),
        1 => (10..19_u8).prop_map(Act::Panic),
        1 => Just(Act::Cancel),
        1 => Just(Act::Listen),
    ];
    let leaf = (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act });
    leaf.prop_recursive(3, 24, 5, |inner| {
        let tree = tree_of(inner.clone(), 0..6);
        let act = prop_oneof![
            inner.prop_map(|task| Act::Nest(Box::new(task))),
            tree.prop_map(Act::Group),
        ];
        (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act })
    })
}

/// A task that does not wait for a deadline, which takes its time off the paused
/// clock; in trees that are wide, hence not deep.
fn awake() -> impl Strategy<Value = Task> {
    let act = prop_oneof![
        200 => Just(Act::Succeed),
        1 => (0..9_u8).prop_map(Act::Fail),
        1 => (10..19_u8).prop_map(Act::Panic),
        1 => Just(Act::Cancel),
    ];
    (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act })
}

fn tree_of(
    task: impl Strategy<Value = Task>,
    tasks: std::ops::Range<usize>,
) -> impl Strategy<Value = Tree> {
    let limit = prop_oneof![1..4_usize, Just(usize::MAX)];
    let tasks = prop::collection::vec(task, tasks);
    (limit, tasks).prop_map(|(limit, tasks)| Tree { limit, tasks })
}

fn ends(tree: &Tree, runtime: &tokio::runtime::Runtime) -> End {
    let run = run(tree.clone());
    match std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))) {
        Ok(Ok(())) => End::Done,
        Ok(Err(error)) => End::Failed(error),
        Err(payload) => match payload.downcast::<u8>() {
            Ok(payload) => End::Panicked(*payload),
            // Not a task's: an assertion that failed.
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_of_groups_ends_as_the_model_allows(tree in tree_of(task(), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let end = ends(&tree, &runtime);
        prop_assert!(tree.allows(&end), "{end:?}");
        if let Some(only) = tree.only_end() {
            prop_assert_eq!(end, only);
        }
    }

    #[test]
    fn on_two_threads_too(tree in tree_of(awake(), 0..100)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        let end = ends(&tree, &runtime);
        prop_assert!(tree.allows(&end), "{end:?}");
        if let Some(only) = tree.only_end() {
            prop_assert_eq!(end, only);
        }
    }
}
