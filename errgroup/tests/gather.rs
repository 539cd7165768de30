//! Policies, and what becomes of each task.

use std::future::pending;
use std::time::Duration;

use errgroup::{Gather, GatherError, Outcome, Policy};
use tokio::sync::oneshot;
use tokio::time::Instant;

type Result<T> = std::result::Result<T, &'static str>;

#[tokio::test]
async fn values_come_in_order_of_spawn_whatever_the_order_of_their_ends() {
    let gather = Gather::<_, &str>::new();
    let (tell, told) = oneshot::channel();
    gather.spawn(async move { told.await.map_err(|_| "not told") });
    gather.spawn(async move {
        tell.send(1).unwrap();
        Ok(2)
    });
    assert_eq!(gather.wait().await.into_values(), Ok(vec![1, 2]));
}

#[tokio::test]
async fn next_returns_tasks_as_they_end_and_none_when_all_have() {
    let mut gather = Gather::<_, &str>::new();
    assert!(gather.next().await.is_none());
    let (tell, told) = oneshot::channel();
    gather.spawn_named("slow", async move { told.await.map_err(|_| "not told") });
    gather.spawn_named("fast", async { Ok(2) });
    let first = gather.next().await.unwrap();
    assert_eq!((&*first.name, first.index), ("fast", 1));
    tell.send(1).unwrap();
    assert_eq!(gather.next().await.unwrap().name, "slow");
    assert!(gather.next().await.is_none());
    // It goes on after that.
    gather.spawn(async { Ok(3) });
    assert_eq!(gather.wait().await.into_values(), Ok(vec![3]));
}

#[tokio::test]
async fn first_error_drops_the_rest_and_tells_what_became_of_them() {
    let gather = Gather::<(), &str>::new().limit(2);
    gather.spawn(pending());
    gather.spawn(async { Err("broken") });
    gather.spawn(async { panic!("started after the cancel") });
    let gathered = gather.wait().await;
    assert!(matches!(
        gathered.reports(),
        [a, b, c] if matches!(a.outcome, Outcome::Cancelled)
            && matches!(b.outcome, Outcome::Failed("broken"))
            && matches!(c.outcome, Outcome::NotStarted)
    ));
    assert_eq!(gathered.into_values(), Err(GatherError::Failed("broken")));
}

#[tokio::test]
async fn all_keeps_every_value_and_every_error() {
    let gather = Gather::new().policy(Policy::All).limit(3);
    for n in 0..10 {
        gather.spawn(async move { if n % 3 == 0 { Err(n) } else { Ok(n) } });
    }
    let gathered = gather.wait().await;
    assert_eq!((gathered.done(), gathered.failed()), (6, 4));
    assert_eq!(
        gathered.partition(),
        (vec![1, 2, 4, 5, 7, 8], vec![0, 3, 6, 9])
    );
}

#[tokio::test(start_paused = true)]
async fn first_success_survives_failures_and_cancels_the_rest() {
    let gather = Gather::new().policy(Policy::FirstSuccess);
    gather.spawn(async { Err("down") });
    gather.spawn(async { panic!("worse") });
    gather.spawn(pending());
    gather.spawn(async { Ok(7) });
    // Not for ever, should nothing cancel the third.
    let gathered = tokio::time::timeout(Duration::from_secs(60), gather.wait());
    let gathered = gathered.await.expect("nobody cancelled the rest");
    assert_eq!(gathered.first_done(), Ok(7));
}

#[tokio::test]
async fn first_success_without_any_is_the_first_failure() {
    let gather = Gather::<(), _>::new().policy(Policy::FirstSuccess).limit(1);
    gather.spawn(async { Err("first") });
    gather.spawn(async { Err("second") });
    let failed = gather.wait().await.first_done();
    assert_eq!(failed, Err(GatherError::Failed("first")));
}

#[tokio::test]
async fn any_is_content_with_so_many() {
    let gather = Gather::new().policy(Policy::Any(2));
    for n in 0..4 {
        gather.spawn(async move {
            if n < 2 {
                Ok(n)
            } else {
                pending::<Result<i32>>().await
            }
        });
    }
    let gathered = gather.wait().await;
    assert_eq!(gathered.done(), 2);
    assert_eq!(gathered.partition(), (vec![0, 1], vec![]));
}

#[tokio::test]
async fn a_panic_is_an_outcome_and_not_lost() {
    let gather = Gather::<(), &str>::new();
    gather.spawn(async { panic!("boom") });
    match gather.wait().await.into_values() {
        Err(GatherError::Panicked(panic)) => assert_eq!(panic.message(), Some("boom")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_after_others_results_loses_none_of_them() {
    let mut gather = Gather::new().limit(1);
    gather.spawn(async { Ok(1) });
    gather.spawn(async { Err("late") });
    assert_eq!(gather.next().await.unwrap().outcome.done(), Some(1));
    assert!(matches!(
        gather.next().await.unwrap().outcome,
        Outcome::Failed("late")
    ));
}

#[tokio::test(start_paused = true)]
async fn grace_lets_a_task_say_goodbye_and_drops_who_does_not() {
    let gather = Gather::<_, &str>::new().grace(Duration::from_secs(5));
    let handle = gather.handle().group();
    let (started, is_started) = oneshot::channel();
    gather.spawn(async move {
        started.send(()).unwrap();
        handle.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok("goodbye")
    });
    gather.spawn(pending::<Result<&str>>());
    is_started.await.unwrap();
    tokio::task::yield_now().await;
    gather.handle().group().cancel();
    let reports = gather.wait().await.into_reports();
    assert!(matches!(reports[0].outcome, Outcome::Done("goodbye")));
    assert!(matches!(reports[1].outcome, Outcome::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_report_has_the_index_and_the_name_of_its_task() {
    let gather = Gather::<_, &str>::new().limit(1);
    for name in ["first", "second"] {
        gather.spawn_named(name, async { Ok(()) });
    }
    for (index, report) in gather.wait().await.reports().iter().enumerate() {
        assert_eq!(report.index, index);
        assert_eq!(report.name, ["first", "second"][index]);
    }
}

#[tokio::test]
async fn a_quorum_is_of_those_that_were_first() {
    let mut gather = Gather::new().policy(Policy::Any(3));
    let (gates, tasks): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel::<()>()).unzip();
    for (n, gate) in tasks.into_iter().enumerate() {
        gather.spawn(async move { gate.await.map(|()| n).map_err(|_| "nobody came") });
    }
    let mut gates: Vec<_> = gates.into_iter().map(Some).collect();
    for n in [2, 0, 3] {
        gates[n].take().unwrap().send(()).unwrap();
        // The first of all is taken out, and so is not asked for below.
        if n == 2 {
            assert_eq!(gather.next().await.unwrap().index, 2);
        } else {
            tokio::task::yield_now().await;
        }
    }
    let gathered = gather.wait().await;
    assert_eq!(gathered.done(), 2);
    assert_eq!(gathered.first_n_done(2), Ok(vec![0, 3]));

    let gather = Gather::<u8, _>::new().policy(Policy::Any(2)).limit(1);
    gather.spawn(async { Err("down") });
    gather.spawn(async { Ok(1) });
    let too_few = gather.wait().await.first_n_done(2);
    assert_eq!(too_few, Err(GatherError::Failed("down")));
}

#[tokio::test]
async fn a_gather_takes_tasks_by_room_and_by_slot_and_jobs_that_block() {
    let gather = Gather::new().limit(1);
    let (release, released) = oneshot::channel::<()>();
    let first = async move { released.await.map(|()| 0).map_err(|_| "dropped") };
    assert_eq!(gather.try_spawn(first).unwrap(), 0);
    let full = gather.try_spawn(async { Ok(9) }).unwrap_err();
    assert!(full.is_full());
    assert_eq!(gather.spawn_wait(async { Ok(1) }).await.unwrap(), 1);
    assert_eq!(gather.spawn_blocking(|| Ok(2)), 2);
    release.send(()).unwrap();
    assert_eq!(gather.wait().await.into_values(), Ok(vec![0, 1, 2]));

    // What is refused has no report.
    let gather = Gather::new().policy(Policy::FirstSuccess).limit(1);
    gather.spawn_blocking(|| Ok(7));
    gather.handle().group().cancelled().await;
    let refused = gather.spawn_wait(async { Err("late") }).await.unwrap_err();
    assert_eq!(refused.into_task().await, Err("late"), "the task is whole");
    assert!(!gather.try_spawn(async { Ok(8) }).unwrap_err().is_full());
    let gathered = gather.wait().await;
    assert_eq!(gathered.reports().len(), 1);
    assert_eq!(gathered.first_done(), Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_what_there_is_by_then() {
    let began = Instant::now();
    let gather = Gather::<_, &str>::new()
        .policy(Policy::All)
        .limit(2)
        .deadline(began + Duration::from_secs(3));
    gather.spawn(async { Ok(1) });
    gather.spawn(pending());
    gather.spawn(pending());
    gather.spawn(async { Ok(2) });
    let gathered = gather.wait().await;
    assert_eq!(Instant::now() - began, Duration::from_secs(3));
    assert!(matches!(
        gathered.reports(),
        [a, b, c, d] if matches!(a.outcome, Outcome::Done(1))
            && matches!(b.outcome, Outcome::Cancelled)
            && matches!(c.outcome, Outcome::Cancelled)
            && matches!(d.outcome, Outcome::NotStarted)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_report_says_how_long_its_task_waited_and_ran() {
    let gather = Gather::<_, &str>::new().limit(1);
    for seconds in [2, 3] {
        gather.spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(())
        });
    }
    let reports = gather.wait().await.into_reports();
    let times: Vec<_> = reports
        .iter()
        .map(|report| (report.waited.as_secs(), report.ran.as_secs()))
        .collect();
    assert_eq!(times, [(0, 2), (2, 3)]);
}
