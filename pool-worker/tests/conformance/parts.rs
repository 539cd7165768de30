//! A part of a pool, under a limit of its own.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pool_worker::{Handle, JobError, JobFailure, Reason};

use crate::harness::{LONG, Options, gated, soon, until};
use crate::parted::{Call, GivenBack, OnTasks, OnThreads, OnThreadsAsync, Parted, Refused};

fn by(pool: &str, reason: Reason) -> Refused {
    (reason, pool.to_owned())
}

fn by_the_part(reason: Reason) -> Result<(), Refused> {
    Err(by("part", reason))
}

fn failure(handle: Handle<usize>) -> JobFailure {
    handle.wait().map_err(JobError::into_reason).unwrap_err()
}

macro_rules! over_pools_with_a_part {
    ($($case:ident,)*) => {
        mod on_threads {
            $(#[test] fn $case() { super::$case::<super::OnThreads>(); })*
        }
        mod on_threads_async {
            $(#[test] fn $case() { super::$case::<super::OnThreadsAsync>(); })*
        }
        mod on_tasks {
            $(#[test] fn $case() { super::$case::<super::OnTasks>(); })*
        }
    };
}

over_pools_with_a_part! {
    a_part_leaves_workers_to_others,
    many_submitters_share_a_part_and_keep_its_limit,
    what_the_pool_refuses_gives_its_place_back,
    a_close_releases_who_waits_for_a_place,
    a_full_part_of_a_closed_pool_is_closed,
    a_part_goes_on_when_its_pool_opens_again,
    a_place_is_free_once_all_that_comes_of_its_job_is_told,
    what_a_part_has_waited_for_is_counted_and_what_its_pool_has_is_free,
    a_spawned_job_waits_for_a_place_and_gives_its_result,
    a_spawned_job_that_is_refused_comes_back_and_has_no_place,
    a_spawned_job_that_is_called_off_has_its_place_until_its_turn,
    a_spawned_job_that_is_displaced_gives_its_place_back,
    the_panic_of_a_spawned_job_goes_to_its_handle_or_without_one_to_the_handler,
    the_place_of_a_job_that_is_called_off_is_free_once_all_that_comes_of_it_is_told,
    whatever_becomes_of_a_spawned_job_it_is_counted_before_its_place_is_free,
}

fn a_part_leaves_workers_to_others<P: Parted>() {
    let pool = P::build(Options::new(3, 8), 2);
    let gates = [(); 2].map(|()| {
        let (gate, job) = gated();
        pool.submit(job).unwrap();
        gate
    });
    let full = pool.try_submit(Box::new(|| ()));
    assert_eq!(full, by_the_part(Reason::Full));
    // The third worker is for others.
    let (tell, told) = channel();
    pool.try_submit_to_pool(Box::new(move || tell.send(()).unwrap()))
        .unwrap();
    soon(&told);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| panic!("as intended"))));
        until(|| pool.stats().waiting == 1);
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    pool.wait_idle();
    assert_eq!(pool.taken(), 0);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().panicked), (3, 1));
}

fn many_submitters_share_a_part_and_keep_its_limit<P: Parted>() {
    let pool = P::build(Options::new(4, 8), 2);
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
                    pool.submit(Box::new(job)).unwrap();
                }
            });
        }
    });
    pool.wait_idle();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 900);
}

fn what_the_pool_refuses_gives_its_place_back<P: Parted>() {
    let pool = P::build(Options::new(1, 0), 1);
    let (gate, job) = gated();
    pool.try_submit_to_pool(job).unwrap();
    let full = pool.try_submit(Box::new(|| ()));
    assert_eq!(full, Err((Reason::Full, "suite".to_owned())));
    assert_eq!(pool.taken(), 0);
    drop(gate);
    pool.close(LONG).unwrap();
    let closed = pool.submit(Box::new(|| ()));
    assert_eq!(closed, Err((Reason::Closed, "suite".to_owned())));
    assert_eq!(pool.taken(), 0);
}

fn a_close_releases_who_waits_for_a_place<P: Parted>() {
    let options = Options {
        max_blocked: 1,
        ..Options::new(2, 8)
    };
    let pool = P::build(options, 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let crowded = pool.submit(Box::new(|| ()));
        assert_eq!(crowded, by_the_part(Reason::Crowded));
        // The job goes on: only the close can release it.
        pool.close(Duration::ZERO).unwrap_err();
        let closed = blocked.join().unwrap();
        assert_eq!(closed, by_the_part(Reason::Closed));
    });
    drop(gate);
    pool.wait_idle();
    let (stats, by) = (pool.stats(), pool.stats().rejected_by);
    assert_eq!((stats.waiting, stats.rejected), (0, 2));
    assert_eq!(pool.blocked().count, 1);
    assert_eq!((by.closed, by.crowded), (1, 1));
}

fn a_full_part_of_a_closed_pool_is_closed<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    pool.close(Duration::ZERO).unwrap_err();
    let closed = pool.try_submit(Box::new(|| ()));
    assert_eq!(closed, by_the_part(Reason::Closed));
    assert_eq!(pool.stats().rejected_by.closed, 1);
    drop(gate);
}

fn a_part_goes_on_when_its_pool_opens_again<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    for _ in 0..3 {
        pool.submit(Box::new(|| ())).unwrap();
        pool.close(LONG).unwrap();
        pool.reopen();
    }
    pool.close(LONG).unwrap();
    assert_eq!((pool.taken(), pool.stats().ran), (0, 3));
}

fn a_place_is_free_once_all_that_comes_of_its_job_is_told<P: Parted>() {
    let (pool, told) = telling_what_is_taken::<P>();
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    assert_eq!(soon(&told), 1);
    pool.close(LONG).unwrap();
}

fn what_a_part_has_waited_for_is_counted_and_what_its_pool_has_is_free<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    for round in 0..1_000 {
        let job = move || assert!(round % 4 > 0, "as intended");
        pool.submit(Box::new(job)).unwrap();
        if round % 2 == 0 {
            pool.wait_idle();
            let stats = pool.stats();
            assert_eq!((stats.running, stats.ran + stats.panicked), (0, round + 1));
        } else {
            pool.wait_idle_of_pool();
            assert_eq!(pool.taken(), 0);
        }
    }
    pool.close(LONG).unwrap();
}

fn a_spawned_job_waits_for_a_place_and_gives_its_result<P: Parted>() {
    let pool = P::build(Options::new(3, 8), 1);
    let (gate, job) = gated();
    let first = pool.try_spawn(Box::new(move || (job(), 1).1)).unwrap();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.spawn(Box::new(|| 2)).unwrap());
        until(|| pool.stats().waiting == 1);
        assert_eq!(pool.taken(), 1);
        drop(gate);
        assert_eq!(first.wait().unwrap(), 1);
        assert_eq!(blocked.join().unwrap().wait().unwrap(), 2);
    });
    pool.wait_idle();
    assert_eq!((pool.taken(), pool.stats().ran), (0, 2));
    pool.close(LONG).unwrap();
}

fn a_spawned_job_that_is_refused_comes_back_and_has_no_place<P: Parted>() {
    let five = || -> Call { Box::new(|| 5) };
    let check = |spawned: Result<Handle<usize>, GivenBack>, expected: Refused| {
        let GivenBack { refused, job } = spawned.unwrap_err();
        assert_eq!((refused, job()), (expected, 5));
    };
    let pool = P::build(Options::new(1, 1), 1);
    let (gate, job) = gated();
    pool.submit(job).unwrap();
    check(pool.try_spawn(five()), by("part", Reason::Full));
    pool.close(Duration::ZERO).unwrap_err();
    check(pool.try_spawn(five()), by("part", Reason::Closed));
    check(pool.spawn(five()), by("part", Reason::Closed));
    drop(gate);
    pool.wait_idle();
    check(pool.spawn(five()), by("suite", Reason::Closed));
    assert_eq!(pool.taken(), 0);

    let pool = P::build(Options::new(1, 0), 1);
    let (gate, job) = gated();
    pool.try_submit_to_pool(job).unwrap();
    check(pool.try_spawn(five()), by("suite", Reason::Full));
    assert_eq!(pool.taken(), 0);
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 1);
}

fn a_spawned_job_that_is_called_off_has_its_place_until_its_turn<P: Parted>() {
    let pool = P::build(Options::new(1, 8), 1);
    let (gate, job) = gated();
    pool.try_submit_to_pool(job).unwrap();
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let handle = pool.spawn(Box::new(move || Arc::strong_count(&inside)));
    let handle = handle.unwrap();
    assert!(handle.cancel());
    assert!(matches!(failure(handle), JobFailure::Cancelled));
    let full = pool.try_submit(Box::new(|| ()));
    assert_eq!(full, by_the_part(Reason::Full));
    drop(gate);
    pool.wait_idle();
    assert_eq!((pool.taken(), Arc::strong_count(&held)), (0, 1));
    assert_eq!((pool.stats().cancelled, pool.run_time().count), (1, 1));
    pool.close(LONG).unwrap();
}

fn a_spawned_job_that_is_displaced_gives_its_place_back<P: Parted>() {
    let pool = P::build(Options::new(1, 1), 1);
    let (gate, job) = gated();
    pool.try_submit_to_pool(job).unwrap();
    until(|| pool.stats().running == 1);
    let old = pool.spawn(Box::new(|| 1)).unwrap();
    assert_eq!(pool.displace(Box::new(|| ())), 1);
    assert!(matches!(failure(old), JobFailure::Displaced));
    assert_eq!(pool.taken(), 0);
    drop(gate);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().displaced), (2, 1));
}

/// A pool with a part of one place, and what the handler of its panics finds taken then.
fn telling_what_is_taken<P: Parted>() -> (Arc<P>, Receiver<usize>) {
    let slot = Arc::new(OnceLock::<Arc<P>>::new());
    let (inside, (tell, told)) = (Arc::clone(&slot), channel());
    let options = Options {
        panic_handler: Arc::new(move |_| tell.send(inside.wait().taken()).unwrap()),
        ..Options::new(1, 8)
    };
    let pool = Arc::new(P::build(options, 1));
    assert!(slot.set(Arc::clone(&pool)).is_ok());
    (pool, told)
}

fn the_panic_of_a_spawned_job_goes_to_its_handle_or_without_one_to_the_handler<P: Parted>() {
    let (pool, told) = telling_what_is_taken::<P>();
    let handle = pool.spawn(Box::new(|| panic!("as intended"))).unwrap();
    assert!(matches!(failure(handle), JobFailure::Panicked(_)));
    pool.wait_idle();
    assert!(told.try_recv().is_err(), "the handle was told");
    let (gate, job) = gated();
    let job = move || {
        job();
        panic!("as intended");
    };
    drop(pool.spawn(Box::new(job)).unwrap());
    drop(gate);
    assert_eq!(soon(&told), 1);
    pool.wait_idle();
    assert_eq!((pool.taken(), pool.stats().panicked), (0, 2));
    pool.close(LONG).unwrap();
}

/// Its drop is the end of it, and panics.
fn the_place_of_a_job_that_is_called_off_is_free_once_all_that_comes_of_it_is_told<P: Parted>() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as intended");
        }
    }

    let (pool, told) = telling_what_is_taken::<P>();
    pool.pause();
    let bomb = Bomb;
    let job = move || {
        std::mem::forget(bomb);
        0
    };
    let handle = pool.spawn(Box::new(job)).unwrap();
    assert!(handle.cancel());
    pool.resume();
    assert_eq!(soon(&told), 1);
    pool.wait_idle();
    assert_eq!((pool.taken(), pool.stats().panicked), (0, 1));
    pool.close(LONG).unwrap();
}

fn whatever_becomes_of_a_spawned_job_it_is_counted_before_its_place_is_free<P: Parted>() {
    let pool = P::build(Options::new(2, 8), 1);
    for round in 0..1_000 {
        let job = move || {
            assert!(round % 4 > 0, "as intended");
            round
        };
        let handle = pool.spawn(Box::new(job)).unwrap();
        if round % 3 == 0 {
            handle.cancel();
        }
        if round % 2 == 0 {
            pool.wait_idle();
            let stats = pool.stats();
            let ended = stats.ran + stats.panicked + stats.cancelled;
            assert_eq!((stats.running, ended), (0, round as u64 + 1));
        } else {
            pool.wait_idle_of_pool();
            assert_eq!(pool.taken(), 0);
        }
        assert!(handle.is_finished());
    }
    pool.close(LONG).unwrap();
}
