//! Every row of what `ants` has, and every bug that bit its users: one test
//! each, named after it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_worker::{CloseReason, Reason, ReopenReason};

use crate::harness::{Job, LONG, Options, Pool, gated, soon, until};

over_all_pools! {
    new_pool_with_a_size_runs_so_many_and_blocks_the_next,
    submit_after_submit_reuses_a_worker,
    new_pool_without_a_size_is_unlimited,
    an_unlimited_pool_can_be_tuned_all_the_same,
    with_nonblocking_a_full_pool_fails_at_once,
    with_max_blocking_tasks_the_next_submitter_fails,
    with_expiry_duration_idle_workers_leave,
    with_disable_purge_workers_stay,
    with_pre_alloc_workers_are_there_before_the_first_job,
    with_panic_handler_it_is_told_and_the_slot_is_free,
    running_free_waiting_and_cap_tell_the_truth,
    release_stops_the_idle_and_lets_the_running_finish,
    release_timeout_that_is_late_is_an_error_and_the_pool_stays_closed,
    reboot_opens_a_closed_pool_again,
    bug_374_running_never_exceeds_cap_under_tune,
    bug_146_a_panic_strands_no_waiter,
    bug_202_release_hangs_on_nothing,
    bug_212_nothing_runs_on_after_close,
    bug_358_pre_alloc_and_reboot_go_together,
    trap_a_nested_submit_to_a_full_pool_fails_instead_of_waiting_for_itself,
    trap_a_job_that_closes_its_own_pool_is_told,
    trap_a_job_that_waits_for_its_own_end_panics,
}

/// So many jobs, all running.
fn run_gated<P: Pool>(pool: &P, jobs: usize) -> Vec<Sender<()>> {
    let gates = (0..jobs).map(|_| {
        let (gate, job) = gated();
        pool.submit(job).unwrap();
        gate
    });
    let gates = gates.collect();
    until(|| pool.stats().running == jobs);
    gates
}

fn new_pool_with_a_size_runs_so_many_and_blocks_the_next<P: Pool>() {
    let pool = P::new(2, 0);
    let gates = run_gated(&pool, 2);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
}

fn submit_after_submit_reuses_a_worker<P: Pool>() {
    let pool = P::build(Options {
        threads: 2,
        ..Options::new(100, 4)
    });
    for _ in 0..200 {
        pool.submit(Box::new(|| ())).unwrap();
        pool.wait_idle();
    }
    // One would do, but a job that comes before a worker sleeps may get another.
    assert!(pool.stats().workers <= 20);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 200);
}

/// With runtime threads for 8 workers, so that 8 jobs can block.
fn unlimited<P: Pool>() -> P {
    P::build(Options {
        threads: 8,
        ..Options::new(usize::MAX, 0)
    })
}

fn new_pool_without_a_size_is_unlimited<P: Pool>() {
    let pool: P = unlimited();
    assert_eq!(pool.stats().capacity, usize::MAX);
    let gates = run_gated(&pool, 8);
    assert!(pool.stats().workers >= 8);
    assert_eq!(pool.stats().free(), usize::MAX - 8);
    drop(gates);
    // Far more than the ring holds at once.
    for _ in 0..1_000 {
        pool.submit(Box::new(|| ())).unwrap();
    }
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 1_008);
}

fn an_unlimited_pool_can_be_tuned_all_the_same<P: Pool>() {
    let pool: P = unlimited();
    let mut gates = run_gated(&pool, 3);
    pool.set_capacity(1);
    let (last, job) = gated();
    pool.try_submit(job).unwrap();
    gates.truncate(1);
    until(|| pool.stats().workers == 1);
    assert_eq!((pool.stats().running, pool.stats().queued), (1, 1));
    pool.set_capacity(usize::MAX);
    until(|| pool.stats().running == 2);
    drop((gates, last));
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 4);
}

fn with_nonblocking_a_full_pool_fails_at_once<P: Pool>() {
    let pool = P::build(Options {
        max_blocked: 0,
        ..Options::new(1, 0)
    });
    let gates = run_gated(&pool, 1);
    let refused = pool.submit(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Full);
    drop(gates);
    pool.close(LONG).unwrap();
}

fn with_max_blocking_tasks_the_next_submitter_fails<P: Pool>() {
    let pool = P::build(Options {
        max_blocked: 1,
        ..Options::new(1, 0)
    });
    let gates = run_gated(&pool, 1);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let refused = pool.submit(Box::new(|| ())).unwrap_err();
        assert_eq!(refused.reason, Reason::Crowded);
        drop(gates);
        blocked.join().unwrap().unwrap();
    });
    pool.close(LONG).unwrap();
}

fn with_expiry_duration_idle_workers_leave<P: Pool>() {
    let pool = P::build(Options {
        idle_timeout: Some(Duration::from_millis(1)),
        ..Options::new(3, 8)
    });
    for _ in 0..3 {
        drop(run_gated(&pool, 3));
        // Of threads the last one stays.
        until(|| pool.stats().workers <= 1 && pool.stats().running == 0);
    }
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 9);
}

fn with_disable_purge_workers_stay<P: Pool>() {
    let pool = P::new(3, 8);
    for _ in 0..3 {
        drop(run_gated(&pool, 3));
        pool.wait_idle();
        assert_eq!(pool.stats().workers, 3);
    }
    pool.close(LONG).unwrap();
}

fn with_pre_alloc_workers_are_there_before_the_first_job<P: Pool>() {
    let pool = P::build(Options {
        prestart: 3,
        ..Options::new(3, 0)
    });
    assert_eq!(pool.stats().workers, 3);
    drop(run_gated(&pool, 3));
    pool.close(LONG).unwrap();
}

fn with_panic_handler_it_is_told_and_the_slot_is_free<P: Pool>() {
    let (tell, told) = channel();
    let pool = P::build(Options {
        panic_handler: Arc::new(move |panic| {
            tell.send(panic.message().map(str::to_owned)).unwrap();
        }),
        ..Options::new(1, 0)
    });
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    drop(run_gated(&pool, 1));
    pool.close(LONG).unwrap();
    assert!(told.try_iter().eq([Some("as intended".to_owned())]));
}

fn running_free_waiting_and_cap_tell_the_truth<P: Pool>() {
    let pool = P::new(3, 0);
    let gates = run_gated(&pool, 2);
    let stats = pool.stats();
    let told = (stats.running, stats.free(), stats.waiting, stats.capacity);
    assert_eq!(told, (2, 1, 0, 3));
    let (third, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 3);
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| pool.submit(Box::new(|| ())));
        until(|| pool.stats().waiting == 1);
        let stats = pool.stats();
        assert_eq!((stats.free(), stats.capacity), (0, 3));
        drop(third);
        blocked.join().unwrap().unwrap();
    });
    assert_eq!(pool.stats().waiting, 0);
    drop(gates);
    pool.close(LONG).unwrap();
}

fn release_stops_the_idle_and_lets_the_running_finish<P: Pool>() {
    let pool = P::new(2, 0);
    let mut gates = run_gated(&pool, 2);
    gates.pop();
    until(|| pool.stats().running == 1);
    let late = pool.close(Duration::ZERO);
    assert_eq!(late, Err(CloseReason::Late { unfinished: 1 }));
    until(|| pool.stats().workers == 1);
    drop(gates);
    until(|| pool.stats().workers == 0);
    assert_eq!(pool.stats().ran, 2);
}

fn release_timeout_that_is_late_is_an_error_and_the_pool_stays_closed<P: Pool>() {
    let pool = P::new(1, 0);
    let gates = run_gated(&pool, 1);
    let late = pool.close(Duration::from_millis(1));
    assert_eq!(late, Err(CloseReason::Late { unfinished: 1 }));
    assert_eq!(pool.close(LONG), Err(CloseReason::Closed));
    let refused = pool.submit(Box::new(|| ())).unwrap_err();
    assert_eq!(refused.reason, Reason::Closed);
    drop(gates);
    until(|| pool.stats().workers == 0);
}

fn reboot_opens_a_closed_pool_again<P: Pool>() {
    let pool = P::new(1, 0);
    assert_eq!(pool.reopen(), Err(ReopenReason::Open));
    drop(run_gated(&pool, 1));
    pool.close(LONG).unwrap();
    pool.reopen().unwrap();
    drop(run_gated(&pool, 1));
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().ran, 2);
}

/// Counts how many run by itself, not by the pool's figures.
fn bug_374_running_never_exceeds_cap_under_tune<P: Pool>() {
    let pool = P::new(4, 0);
    // Running jobs, and the most that may run. The most is lowered only after
    // the pool has come down to it.
    let account = Arc::new(Mutex::new((0, 4)));
    for round in 0..300 {
        let capacity = round % 4 + 1;
        let before = pool.stats().capacity;
        if capacity > before {
            account.lock().unwrap().1 = capacity;
        }
        pool.set_capacity(capacity);
        if capacity < before {
            until(|| pool.stats().running <= capacity && pool.stats().workers <= capacity);
            account.lock().unwrap().1 = capacity;
        }
        for _ in 0..8 {
            let account = Arc::clone(&account);
            let job: Job = Box::new(move || {
                let mut counted = account.lock().unwrap();
                counted.0 += 1;
                assert!(counted.0 <= counted.1, "{counted:?}");
                drop(counted);
                std::thread::yield_now();
                account.lock().unwrap().0 -= 1;
            });
            pool.submit(job).unwrap();
        }
    }
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().panicked, pool.stats().ran), (0, 2_400));
}

fn bug_146_a_panic_strands_no_waiter<P: Pool>() {
    let pool = P::new(1, 0);
    let (gate, closed) = channel::<()>();
    pool.submit(Box::new(move || {
        closed.recv().unwrap_err();
        panic!("as intended");
    }))
    .unwrap();
    std::thread::scope(|scope| {
        let blocked: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| pool.submit(Box::new(|| panic!("as intended")))))
            .collect();
        until(|| pool.stats().waiting == 3);
        drop(gate);
        for blocked in blocked {
            blocked.join().unwrap().unwrap();
        }
    });
    pool.wait_idle();
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().panicked, 4);
}

fn bug_202_release_hangs_on_nothing<P: Pool>() {
    for jobs in 0..20 {
        let pool = P::new(2, 4);
        for _ in 0..jobs {
            pool.submit(Box::new(|| ())).unwrap();
        }
        pool.pause();
        // Jobs may wait, run, or be over; workers sleep or do not exist.
        pool.close(LONG).unwrap();
        assert_eq!(pool.stats().ran, jobs);
    }
}

fn bug_212_nothing_runs_on_after_close<P: Pool>() {
    static POOLS: AtomicUsize = AtomicUsize::new(0);
    let pool = P::build(Options {
        // Found by it among the threads of the process.
        name: format!("bug212-{}", POOLS.fetch_add(1, Relaxed)),
        idle_timeout: Some(Duration::from_secs(3600)),
        ..Options::new(3, 0)
    });
    let gates = run_gated(&pool, 3);
    assert!(pool.alive() >= 3 || !cfg!(target_os = "linux"));
    drop(gates);
    pool.close(LONG).unwrap();
    assert_eq!(pool.stats().workers, 0);
    // Nothing of the user's runs by now; the system needs a moment to be rid of them.
    until(|| pool.alive() == 0);
}

fn bug_358_pre_alloc_and_reboot_go_together<P: Pool>() {
    let pool = P::build(Options {
        prestart: 2,
        ..Options::new(2, 0)
    });
    for _ in 0..5 {
        assert_eq!(pool.stats().workers, 2);
        drop(run_gated(&pool, 2));
        pool.close(LONG).unwrap();
        pool.reopen().unwrap();
    }
}

/// What `probe` gives on a worker of the pool, which has no room meanwhile.
fn on_a_worker<P: Pool, R: Send + 'static>(
    pool: &Arc<P>,
    probe: impl FnOnce(&P) -> R + Send + 'static,
) -> Receiver<R> {
    let (told, seen) = channel();
    let inside = Arc::clone(pool);
    pool.submit(Box::new(move || told.send(probe(&inside)).unwrap()))
        .unwrap();
    seen
}

fn trap_a_nested_submit_to_a_full_pool_fails_instead_of_waiting_for_itself<P: Pool>() {
    let pool = Arc::new(P::new(1, 0));
    let seen = on_a_worker(&pool, |pool| {
        pool.submit(Box::new(|| ())).map_err(|e| e.reason)
    });
    assert_eq!(soon(&seen), Err(Reason::Nested));
    until(|| pool.stats().running == 0);
    // With room it is like any other.
    pool.set_capacity(2);
    let seen = on_a_worker(&pool, |pool| {
        pool.submit(Box::new(|| ())).map_err(|e| e.reason)
    });
    assert_eq!(soon(&seen), Ok(()));
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().ran, pool.stats().rejected), (3, 1));
}

fn trap_a_job_that_closes_its_own_pool_is_told<P: Pool>() {
    let pool = Arc::new(P::new(1, 1));
    let seen = on_a_worker(&pool, |pool| pool.close_inside(LONG));
    assert_eq!(soon(&seen), Err(CloseReason::Nested));
    assert!(pool.is_closed());
    until(|| pool.stats().workers == 0);
}

fn trap_a_job_that_waits_for_its_own_end_panics<P: Pool>() {
    let pool = Arc::new(P::new(2, 1));
    drop(on_a_worker(&pool, P::wait_idle_inside));
    pool.wait_idle();
    assert_eq!(pool.stats().panicked, 1);
    pool.close(LONG).unwrap();
}
