//! Tasks with names.

use std::future::pending;

use errgroup::{
    Gather, Group, Outcome, Panic, Policy, TaskReport, WaitError, gather_scope, named, named_job,
    try_scope,
};

async fn panics() -> Result<(), String> {
    tokio::task::yield_now().await;
    panic!("as intended")
}

fn panic_of<T>(ended: Result<T, WaitError<String>>) -> Panic {
    match ended {
        Err(WaitError::Panicked(panic)) => panic,
        _ => panic!("no panic"),
    }
}

#[tokio::test]
async fn a_panic_tells_the_name_of_its_task_however_that_is_spawned() {
    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        group.spawn(named("one", panics()));
        assert_eq!(panic_of(group.try_wait().await).task(), Some("one"));

        let group = Group::new().limit(limit);
        group.spawn_wait(named("two", panics())).await.unwrap();
        assert_eq!(panic_of(group.try_wait().await).task(), Some("two"));

        let group = Group::new().limit(limit);
        let three = named_job("three", || -> Result<(), String> { panic!("as intended") });
        group.spawn_blocking(three);
        let panic = panic_of(group.try_wait().await);
        assert_eq!(panic.to_string(), "task three panicked: as intended");
    }
}

#[tokio::test]
async fn a_task_without_a_name_is_not_given_that_of_another() {
    let group = Group::new().limit(1);
    group.spawn(named("quiet", async { Ok(()) }));
    group.spawn(panics());
    let panic = panic_of(group.try_wait().await);
    assert_eq!((panic.task(), panic.message()), (None, Some("as intended")));
}

#[test]
fn jobs_of_scopes_have_names_too() {
    let ended = try_scope(|scope| {
        scope.spawn(named_job("sums", || panic!("as intended")));
        Ok(())
    });
    assert_eq!(panic_of(ended).task(), Some("sums"));

    let gathered = gather_scope(Policy::All, |scope| {
        scope.spawn(named_job("first", || -> Result<u8, String> {
            panic!("as intended")
        }));
    });
    let reports = gathered.reports();
    let Outcome::Panicked(panic) = &reports[0].outcome else {
        panic!("no panic")
    };
    assert_eq!(panic.task(), Some("first"));
}

/// The name, and how it ended.
fn told<T, E>(report: &TaskReport<T, E>) -> (String, &'static str) {
    let end = match report.outcome {
        Outcome::Done(_) => "done",
        Outcome::Failed(_) => "failed",
        Outcome::Panicked(_) => "panicked",
        Outcome::Cancelled => "cancelled",
        _ => "not started",
    };
    (report.name.clone(), end)
}

fn are_told(mut told: Vec<(String, &'static str)>, mut expected: Vec<(&str, &'static str)>) {
    told.sort_unstable();
    expected.sort_unstable();
    let told = told.iter().map(|(name, end)| (&**name, *end));
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_report_has_the_name_however_its_task_is_spawned_and_ends() {
    for limit in [2, usize::MAX] {
        let mut gather = Gather::<(), String>::new().policy(Policy::All).limit(limit);
        let handle = gather.handle();
        let at_once = gather.try_spawn(named("stuck", pending()));
        assert_eq!(at_once.unwrap(), 0);
        gather.spawn(named("fine", async { Ok(()) }));
        gather.spawn(async { Ok(()) });
        gather.spawn_blocking(named_job("blocks", || Ok(())));
        let waits = named("waits", async { Err("as intended".to_owned()) });
        handle.spawn_wait(waits).await.unwrap();
        handle.spawn(named("panics", panics()));
        handle.spawn_named("outside", named("inside", async { Ok(()) }));
        let mut ended = Vec::new();
        for _ in 0..6 {
            ended.push(told(&gather.next().await.unwrap()));
        }
        are_told(
            ended,
            vec![
                ("fine", "done"),
                ("", "done"),
                ("blocks", "done"),
                ("waits", "failed"),
                ("panics", "panicked"),
                ("outside", "done"),
            ],
        );
        handle.group().cancel();
        handle.spawn(named("late", async { Ok(()) }));
        handle.spawn_blocking(named_job("late, too", || Ok(())));
        are_told(
            gather.wait().await.reports().iter().map(told).collect(),
            vec![
                ("stuck", "cancelled"),
                ("late", "not started"),
                ("late, too", "not started"),
            ],
        );
    }
}

#[test]
fn a_report_of_a_scope_has_the_name_of_its_job() {
    let mut ended = Vec::new();
    let gathered = gather_scope::<(), String, _>(Policy::All, |gather| {
        let at_once = gather.try_spawn(named_job("at once", || Ok(())));
        assert_eq!(at_once.unwrap(), 0);
        let waits = named_job("waits", || Err("as intended".to_owned()));
        gather.spawn_wait(waits).unwrap();
        gather.spawn(named_job("panics", || panic!("as intended")));
        gather.spawn_named("outside", named_job("inside", || Ok(())));
        gather.spawn(|| {
            drop(named("part of a job", ()));
            Ok(())
        });
        for _ in 0..5 {
            ended.push(told(&gather.next().unwrap()));
        }
        gather.scope().cancel();
        gather.spawn(named_job("late", || Ok(())));
    });
    are_told(
        ended,
        vec![
            ("at once", "done"),
            ("waits", "failed"),
            ("panics", "panicked"),
            ("outside", "done"),
            ("", "done"),
        ],
    );
    are_told(
        gathered.reports().iter().map(told).collect(),
        vec![("late", "not started")],
    );
}
