//! Tasks with names.

use errgroup::{Group, Outcome, Panic, WaitError, gather_scope, named, named_job, try_scope};

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

    let gathered = gather_scope(errgroup::Policy::All, |scope| {
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
