//! Many jobs, and many pools, as one: multi-pools, batches, bulk submission,
//! calls with results, and jobs that the submitter runs.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_worker::{
    Batch, CloseError, JobError, MultiPool, MultiPoolError, Reason, Strategy, TrySubmit, tasks,
    threads,
};

const LONG: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce() + Send>;

fn gated() -> (Sender<()>, Job) {
    let (gate, closed) = channel::<()>();
    (gate, Box::new(move || assert!(closed.recv().is_err())))
}

fn until(reached: impl Fn() -> bool) {
    let begin = Instant::now();
    while !reached() {
        assert!(begin.elapsed() < LONG, "the state was never reached");
        std::thread::yield_now();
    }
}

fn small(_nth: usize) -> threads::Pool {
    threads::Pool::builder().capacity(1).queue(0).build()
}

#[test]
fn a_multi_pool_of_none_is_an_error_and_so_is_a_bad_index() {
    let none = MultiPool::new(0, Strategy::RoundRobin, small);
    assert_eq!(none.unwrap_err(), MultiPoolError::NoPools);
    let two = MultiPool::new(2, Strategy::RoundRobin, small).unwrap();
    assert_eq!(two.pool(1).unwrap().stats().capacity, 1);
    let missing = MultiPoolError::NoSuchPool { index: 2, pools: 2 };
    assert_eq!(two.pool(2).unwrap_err(), missing);
}

#[test]
fn round_robin_goes_around_and_past_a_full_pool() {
    let pools = MultiPool::new(2, Strategy::RoundRobin, small).unwrap();
    let (first, job) = gated();
    pools.try_submit(job).unwrap();
    let (second, job) = gated();
    pools.try_submit(job).unwrap();
    let running = |index| pools.pool(index).unwrap().stats().running;
    until(|| (running(0), running(1)) == (1, 1));
    // Full everywhere: refused once, counted once, and the job comes back.
    let refused = pools.try_submit(Box::new(|| ()) as Job).unwrap_err();
    assert_eq!(
        (refused.reason(), pools.stats().rejected),
        (Reason::Full, 1)
    );
    // The turn is at one or the other; the one with room gets the job.
    drop(second);
    until(|| running(1) == 0);
    for _ in 0..2 {
        let (done, seen) = channel();
        pools.submit(move || done.send(()).unwrap()).unwrap();
        seen.recv().unwrap();
        until(|| running(1) == 0);
    }
    drop(first);
    pools.wait_idle();
    assert_eq!(pools.stats().ran, 4);
    pools.close(LONG).unwrap();
    assert_eq!(pools.close(LONG), Err(CloseError::Closed));
}

#[test]
fn the_least_loaded_is_the_one_with_the_fewest_jobs() {
    let make = |_| threads::Pool::builder().capacity(1).queue(8).build();
    let pools = MultiPool::new(3, Strategy::LeastLoaded, make).unwrap();
    let gates: Vec<_> = (0..6)
        .map(|_| {
            let (gate, job) = gated();
            pools.submit(job).unwrap();
            gate
        })
        .collect();
    for pool in pools.pools() {
        assert_eq!(pool.stats().submitted, 2);
    }
    drop(gates);
    pools.close(LONG).unwrap();
}

#[tokio::test]
async fn the_jobs_of_a_key_run_in_order_on_tasks() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let make = |_| {
        let seen = Arc::clone(&seen);
        tasks::FuncPool::new(1, move |(key, nth): (u32, u32)| {
            let seen = Arc::clone(&seen);
            async move {
                tokio::task::yield_now().await;
                seen.lock().unwrap().push((key, nth));
            }
        })
    };
    let pools = MultiPool::new(4, Strategy::RoundRobin, make).unwrap();
    for nth in 0..50 {
        for key in 0..7 {
            pools.by_key(&key).submit((key, nth)).await.unwrap();
        }
    }
    pools.wait_idle().await;
    pools.close(LONG).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 350);
    for key in 0..7 {
        let of_key = seen.iter().filter(|job| job.0 == key).map(|job| job.1);
        assert!(of_key.eq(0..50));
    }
}

#[test]
fn a_batch_tells_what_became_of_each_job() {
    let pool = threads::Pool::new(2);
    let batch = Batch::new();
    for _ in 0..5 {
        pool.submit(batch.job(|| ())).unwrap();
    }
    pool.submit(batch.job(|| panic!("as intended"))).unwrap();
    pool.close(LONG).unwrap();
    drop(pool.submit(batch.job(|| ())).unwrap_err());
    let outcome = batch.wait();
    assert_eq!((outcome.ran, outcome.panicked, outcome.dropped), (5, 1, 1));
}

#[tokio::test]
async fn a_batch_is_awaited_over_both_engines() {
    let (cpu, io) = (threads::Pool::new(2), tasks::Pool::new(2));
    let squares = threads::FuncPool::new(1, |(n, ticket): (u64, pool_worker::Ticket)| {
        assert!(n < 10);
        ticket.ran();
    });
    let batch = Batch::new();
    for n in 0..10 {
        cpu.submit(batch.job(|| ())).unwrap();
        io.submit(batch.future(tokio::task::yield_now()))
            .await
            .unwrap();
        squares.submit((n, batch.ticket())).unwrap();
    }
    assert_eq!(batch.ended().await.ran, 30);
}

#[test]
fn a_job_that_waits_for_a_batch_of_its_own_pool_is_told() {
    let pool = Arc::new(threads::Pool::builder().capacity(1).queue(1).build());
    let (done, ran) = channel();
    let inner = Arc::clone(&pool);
    let waits = pool.spawn(move || {
        let batch = Batch::of(&*inner);
        let submitted = inner.try_submit(batch.job(move || done.send(()).unwrap()));
        submitted.expect("there is room to wait");
        batch.wait()
    });
    let told = waits.unwrap().wait().unwrap_err();
    let JobError::Panicked(told) = told else {
        panic!("{told}");
    };
    let told = told.downcast::<String>().unwrap();
    assert!(told.ends_with("waits for others of it"), "{told}");
    ran.recv().unwrap();

    // Another pool's job may.
    let (other, pool) = (threads::Pool::new(1), Arc::clone(&pool));
    let waits = other.spawn(move || {
        let batch = Batch::of(&*pool);
        pool.submit(batch.job(|| ())).unwrap();
        batch.wait().ran
    });
    assert_eq!(waits.unwrap().wait().unwrap(), 1);
}

#[test]
fn what_of_many_does_not_fit_comes_back_in_order() {
    let pool = threads::FuncPool::builder()
        .capacity(1)
        .queue(3)
        .build(|_: u32| ());
    pool.pause();
    let rest = pool.try_submit_all(0..10).unwrap_err();
    assert_eq!((rest.accepted(), rest.reason()), (4, Reason::Full));
    assert_eq!(rest.into_jobs(), [4, 5, 6, 7, 8, 9]);
    pool.resume();
    assert_eq!(pool.submit_all(0..100).unwrap(), 100);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 104);
    let rest = pool.submit_all([1, 2]).unwrap_err();
    assert_eq!((rest.accepted(), rest.reason()), (0, Reason::Closed));
    assert_eq!(rest.into_jobs(), [1, 2]);
}

#[tokio::test]
async fn many_are_awaited_as_one() {
    let pool = tasks::FuncPool::builder()
        .capacity(1)
        .queue(1)
        .build(|_: u32| tokio::task::yield_now());
    assert_eq!(pool.submit_all(0..50).await.unwrap(), 50);
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.submit_all(0..2).await.unwrap_err().into_jobs(), [0, 1]);
    let pool = tasks::Pool::new(1);
    let jobs = (0..50).map(|_| tokio::task::yield_now());
    assert_eq!(pool.submit_all(jobs).await.unwrap(), 50);
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.stats().ran, 50);
}

#[test]
fn a_call_gives_its_result_or_its_panic() {
    let pool = threads::FuncPool::builder()
        .capacity(1)
        .queue(4)
        .build_calls(|n: u32| 100 / n);
    let calls = [5, 0, 4].map(|n| pool.call(n).unwrap());
    let [five, none, four] = calls.map(pool_worker::Handle::wait);
    assert_eq!((five.unwrap(), four.unwrap()), (20, 25));
    assert!(matches!(none, Err(JobError::Panicked(_))));
    pool.pause();
    let call = pool.call(1).unwrap();
    assert!(call.cancel());
    pool.resume();
    pool.close(LONG).unwrap();
    assert_eq!(pool.try_call(9).unwrap_err().into_job(), 9);
    let stats = pool.stats();
    assert_eq!((stats.ran, stats.panicked, stats.cancelled), (2, 1, 1));
}

#[tokio::test]
async fn a_call_is_awaited() {
    let pool = tasks::FuncPool::builder().build_calls(|n: u32| async move { 100 / n });
    let (five, none) = (pool.call(5).await.unwrap(), pool.try_call(0).unwrap());
    assert_eq!(five.await.unwrap(), 20);
    assert!(matches!(none.await, Err(JobError::Panicked(_))));
    pool.close(LONG).await.unwrap();
    assert_eq!(pool.call(9).await.unwrap_err().into_job(), 9);
}

#[test]
fn a_full_function_pool_lets_its_submitter_run_the_job() {
    let (ran, seen) = channel();
    let pool = threads::FuncPool::builder().capacity(1).queue(0).build(
        move |gate: Option<std::sync::mpsc::Receiver<()>>| {
            if let Some(gate) = gate {
                assert!(gate.recv().is_err());
            }
            ran.send(std::thread::current().id()).unwrap();
        },
    );
    let (gate, closed) = channel();
    assert!(pool.submit_or_run(Some(closed)).unwrap());
    assert!(!pool.submit_or_run(None).unwrap());
    assert_eq!(seen.recv().unwrap(), std::thread::current().id());
    drop(gate);
    pool.close(LONG).unwrap();
    assert_ne!(seen.recv().unwrap(), std::thread::current().id());
    assert!(pool.submit_or_run(None).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_of_tasks_waits_until_a_deadline_or_runs_here() {
    let pool = tasks::Pool::builder().capacity(1).queue(0).build();
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    pool.submit(async { drop(open.await) }).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    let late = pool.submit_until(async {}, deadline).await.unwrap_err();
    assert_eq!(late.reason(), Reason::Timeout);
    let (ran, seen) = tokio::sync::oneshot::channel();
    let job = async { ran.send(1).unwrap() };
    assert!(!pool.submit_or_run(job).await.unwrap());
    assert_eq!(seen.await, Ok(1));
    drop(gate);
    pool.wait_idle().await;
    let func = tasks::FuncPool::new(1, |_: u8| async {});
    assert!(func.submit_or_run(1).await.unwrap());
    func.submit_until(2, deadline).await.unwrap();
    func.close(LONG).await.unwrap();
    assert_eq!(func.stats().ran, 2);
}

#[test]
fn a_sub_pool_leaves_workers_to_others() {
    let pool = Arc::new(threads::Pool::new(3));
    let part = threads::SubPool::new(&pool, "part", 2);
    let gates: Vec<_> = (0..2)
        .map(|_| {
            let (gate, job) = gated();
            part.submit(job).unwrap();
            gate
        })
        .collect();
    let refused = part.try_submit(|| ()).unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Full, "part"));
    // The third worker is for others.
    assert_eq!(pool.spawn(|| 1).unwrap().wait().unwrap(), 1);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| part.submit(|| panic!("as intended")));
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    part.wait_idle();
    assert_eq!(part.taken(), 0);
    pool.close(LONG).unwrap();
    let refused = part.submit(|| ()).unwrap_err();
    assert_eq!((refused.reason(), part.taken()), (Reason::Closed, 0));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

#[test]
fn many_submitters_share_a_sub_pool_and_keep_its_limit() {
    let pool = Arc::new(threads::Pool::new(4));
    let part = threads::SubPool::new(&pool, "part", 2);
    let running = Arc::new(Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let running = Arc::clone(&running);
                    let job = move || {
                        *running.lock().unwrap() += 1;
                        std::thread::yield_now();
                        let mut now = running.lock().unwrap();
                        assert!(*now <= 2);
                        *now -= 1;
                    };
                    part.submit(job).unwrap();
                }
            });
        }
    });
    part.wait_idle();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 900);
}

#[test]
fn a_close_releases_who_waits_for_a_place_of_a_sub_pool() {
    let pool = Arc::new(threads::Pool::builder().max_blocked(1).build());
    let part = threads::SubPool::new(&pool, "part", 1);
    let (gate, job) = gated();
    part.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| part.submit(|| ()));
        until(|| pool.stats().waiting == 1);
        let crowded = part.submit(|| ()).unwrap_err();
        assert_eq!(crowded.reason(), Reason::Crowded);
        // The job goes on: only the close can release it.
        pool.close(Duration::ZERO).unwrap_err();
        let refused = blocked.join().unwrap().unwrap_err();
        assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    });
    drop(gate);
    part.wait_idle();
    let stats = pool.stats();
    assert_eq!((stats.waiting, pool.blocked().count), (0, 1));
    let by = stats.rejected_by;
    assert_eq!((stats.rejected, by.closed, by.crowded), (2, 1, 1));
}

#[tokio::test]
async fn a_close_releases_who_waits_for_a_place_of_a_sub_pool_of_tasks() {
    let pool = Arc::new(tasks::Pool::new(2));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    part.submit(async { drop(open.await) }).await.unwrap();
    let mut blocked = std::pin::pin!(part.submit(async {}));
    let once = std::future::poll_fn(|cx| {
        let polled = blocked.as_mut().poll(cx);
        std::task::Poll::Ready(polled.is_pending())
    });
    assert!(once.await);
    assert_eq!(pool.stats().waiting, 1);
    let late = pool.close(Duration::ZERO).await;
    assert_eq!(late, Err(CloseError::Late { unfinished: 1 }));
    let refused = blocked.await.unwrap_err();
    assert_eq!((refused.reason(), refused.pool()), (Reason::Closed, "part"));
    drop(gate);
    part.wait_idle().await;
    let stats = pool.stats();
    assert_eq!((stats.waiting, stats.rejected_by.closed), (0, 1));
    assert_eq!(pool.blocked().count, 1);
}

#[tokio::test]
async fn a_sub_pool_of_tasks_gives_its_place_back_whatever_happens() {
    let pool = Arc::new(tasks::Pool::new(4));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    part.submit(async { drop(open.await) }).await.unwrap();
    assert_eq!(part.try_submit(async {}).unwrap_err().pool(), "part");
    // Given up while it waits: nothing is lost with it.
    let given_up = tokio::time::timeout(Duration::ZERO, part.submit(async {})).await;
    assert!(given_up.is_err());
    drop(gate);
    part.submit(async { panic!("as intended") }).await.unwrap();
    part.submit(async {}).await.unwrap();
    part.wait_idle().await;
    pool.close(LONG).await.unwrap();
    let refused = part.submit(async {}).await.unwrap_err();
    assert_eq!((refused.reason(), part.taken()), (Reason::Closed, 0));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}
