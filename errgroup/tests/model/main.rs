//! Random trees of groups against a simple model: what `wait` returns, who ran,
//! and that nothing is left. The same trees at each run; `PROPTEST_RNG_SEED=N` gives
//! others, and `PROPTEST_CASES=N` so many.

mod tasks;
mod threads;
mod tree;
mod wrong;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::runtime::{Builder, Runtime};

use tree::{Act, At, End, Task, Tree};
use wrong::Wrong;

fn task() -> impl Strategy<Value = Task> {
    let act = prop_oneof![
        4 => Just(Act::Succeed),
        1 => (0..9_u8).prop_map(Act::Fail),
        1 => (10..19_u8).prop_map(Act::Panic),
        1 => Just(Act::Cancel),
        1 => Just(Act::Listen),
    ];
    let leaf = (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act });
    leaf.prop_recursive(3, 24, 5, |inner| branch(inner, 0..6))
}

/// A task that runs others.
fn branch(
    inner: impl Strategy<Value = Task> + Clone + 'static,
    tasks: std::ops::Range<usize>,
) -> impl Strategy<Value = Task> {
    let (alone, child) = (
        tree_of(inner.clone(), tasks.clone()),
        tree_of(inner.clone(), tasks),
    );
    let child = (child, any::<bool>());
    let act = prop_oneof![
        1 => inner.prop_map(|task| Act::Nest(Box::new(task))),
        1 => alone.prop_map(Act::Group),
        2 => child.prop_map(|(tree, escalates)| Act::Child { tree, escalates }),
    ];
    (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act })
}

/// A task that does not wait for a deadline, which takes its time off the paused
/// clock; `calm` of the one that is no success in each kind.
fn awake(calm: u32) -> impl Strategy<Value = Task> {
    let act = prop_oneof![
        calm => Just(Act::Succeed),
        1 => (0..9_u8).prop_map(Act::Fail),
        1 => (10..19_u8).prop_map(Act::Panic),
        1 => Just(Act::Cancel),
    ];
    let leaf = (0..4_u8, act).prop_map(|(turns, act)| Task { turns, act });
    leaf.prop_recursive(3, 60, 20, |inner| branch(inner, 0..20))
}

fn tree_of(
    task: impl Strategy<Value = Task>,
    tasks: std::ops::Range<usize>,
) -> impl Strategy<Value = Tree> {
    let limit = prop_oneof![1..4_usize, Just(usize::MAX)];
    let tasks = prop::collection::vec(task, tasks);
    (limit, tasks).prop_map(|(limit, tasks)| Tree { limit, tasks })
}

fn on_tasks(tree: &Tree, runtime: &Runtime) -> (End, Wrong) {
    let wrong = Wrong::default();
    let end = runtime.block_on(async { tasks::run(tree.clone(), At::ROOT, wrong.clone()).await });
    (end, wrong)
}

fn holds(tree: &Tree, (end, wrong): (End, Wrong)) -> Result<(), TestCaseError> {
    prop_assert_eq!(wrong.all(), Vec::<String>::new());
    prop_assert!(tree.allows(&end, At::ROOT), "{end:?}");
    if let Some(only) = tree.only_end() {
        prop_assert_eq!(end, only);
    }
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(8),
        seed @ RngSeed::Fixed(_) => seed,
    };
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { given.cases } else { cases },
        rng_seed,
        failure_persistence: None,
        ..given
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn a_tree_of_groups_ends_as_the_model_allows(tree in tree_of(task(), 0..6)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        holds(&tree, on_tasks(&tree, &runtime.unwrap()))?;
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn on_two_threads_too(tree in tree_of(awake(100), 0..40)) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build();
        holds(&tree, on_tasks(&tree, &runtime.unwrap()))?;
    }

    #[test]
    fn on_scoped_threads_too(tree in tree_of(awake(20), 0..10)) {
        let wrong = Wrong::default();
        let end = threads::run(&tree, At::ROOT, &wrong);
        holds(&tree, (end, wrong))?;
    }
}
