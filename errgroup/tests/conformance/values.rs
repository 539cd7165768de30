//! Tasks with values: the policies, over both kinds.

use std::sync::mpsc::channel;

use errgroup::{Gather, GatherError, Gathered, Outcome, Policy, gather_scope};
use tokio::runtime::Builder;

use crate::both;

type Task = Box<dyn FnOnce() -> Result<u32, String> + Send>;
/// Runs the tasks under a policy and a limit.
type Run = fn(Policy, usize, Vec<Task>) -> Gathered<u32, String>;

fn on_tasks(policy: Policy, limit: usize, tasks: Vec<Task>) -> Gathered<u32, String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let gather = Gather::new().policy(policy).limit(limit);
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(gather.spawn_named(format!("{n}"), async { task() }), n);
    }
    runtime.block_on(gather.wait())
}

fn on_threads(policy: Policy, limit: usize, tasks: Vec<Task>) -> Gathered<u32, String> {
    gather_scope(policy, |gather| {
        gather.scope().set_limit(limit);
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(gather.spawn_named(format!("{n}"), task), n);
        }
    })
}

both! {
    on_tasks on_threads:
    all_keeps_every_value_and_every_error_in_order
    the_first_error_keeps_the_rest_from_starting
    the_first_success_is_enough
    any_two_are_enough
    any_of_none_is_enough_at_once
    a_panic_is_the_outcome_of_its_task
    values_are_in_order_of_spawn_whoever_ends_first;
}

fn ok(value: u32) -> Task {
    Box::new(move || Ok(value))
}

fn err(error: &str) -> Task {
    let error = error.to_owned();
    Box::new(move || Err(error))
}

fn not_started(gathered: &Gathered<u32, String>) -> usize {
    let reports = gathered.reports().iter();
    let not_started = reports.filter(|report| matches!(report.outcome, Outcome::NotStarted));
    not_started.count()
}

fn all_keeps_every_value_and_every_error_in_order(run: Run) {
    let gathered = run(Policy::All, 2, vec![ok(0), err("one"), ok(2), err("three")]);
    assert_eq!((gathered.done(), gathered.failed()), (2, 2));
    let names: Vec<_> = gathered
        .reports()
        .iter()
        .map(|report| &*report.name)
        .collect();
    assert_eq!(names, ["0", "1", "2", "3"]);
    let (values, errors) = gathered.partition();
    assert_eq!(
        (values, errors),
        (vec![0, 2], vec!["one".into(), "three".into()])
    );
}

fn the_first_error_keeps_the_rest_from_starting(run: Run) {
    // With one at a time they run in order of spawn, so the third knows.
    let mut tasks = vec![ok(0), err("second")];
    tasks.extend((0..6).map(|_| -> Task { Box::new(|| panic!("started after the error")) }));
    let gathered = run(Policy::FirstError, 1, tasks);
    assert_eq!(
        (gathered.done(), gathered.failed(), not_started(&gathered)),
        (1, 1, 6)
    );
    assert_eq!(
        gathered.into_values(),
        Err(GatherError::Failed("second".into()))
    );
}

fn the_first_success_is_enough(run: Run) {
    let gathered = run(
        Policy::FirstSuccess,
        1,
        vec![err("down"), ok(1), ok(2), ok(3)],
    );
    assert_eq!(not_started(&gathered), 2);
    assert_eq!(gathered.first_done(), Ok(1));
}

fn any_two_are_enough(run: Run) {
    let gathered = run(Policy::Any(2), 1, vec![ok(0), err("down"), ok(2), ok(3)]);
    assert_eq!((gathered.done(), not_started(&gathered)), (2, 1));
}

fn any_of_none_is_enough_at_once(run: Run) {
    let gathered = run(Policy::Any(0), 1, vec![ok(0), err("down")]);
    assert_eq!((gathered.done(), not_started(&gathered)), (0, 2));
}

fn a_panic_is_the_outcome_of_its_task(run: Run) {
    let gathered = run(Policy::All, 1, vec![Box::new(|| panic!("broken")), ok(1)]);
    match &gathered.reports()[0].outcome {
        Outcome::Panicked(panic) => assert_eq!(panic.message(), Some("broken")),
        other => panic!("{other:?}"),
    }
    assert_eq!(gathered.first_done(), Ok(1));
}

fn values_are_in_order_of_spawn_whoever_ends_first(run: Run) {
    let (tell, told) = channel();
    let first: Task = Box::new(move || {
        told.recv().unwrap();
        Ok(0)
    });
    let second: Task = Box::new(move || {
        tell.send(()).unwrap();
        Ok(1)
    });
    let gathered = run(Policy::FirstError, 2, vec![first, second]);
    assert_eq!(gathered.into_values(), Ok(vec![0, 1]));
}
