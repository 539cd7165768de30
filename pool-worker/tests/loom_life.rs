//! Models of how a pool ends, rests, begins again and changes its size.
#![cfg(loom_models)]

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use loom::sync::atomic::AtomicUsize;
use loom::thread;
use pool_worker::abandoning::Abandoned;
use pool_worker::threads::{FuncPool, Pool, SubPool};
use pool_worker::{CloseReason, Reason, ReopenReason};

mod tally;

use tally::{LONG, Tally, counting, model};

/// Rules out: a submitter blocks just as the pool closes, and is never told.
/// The one worker is busy until the submitter is back, so only the close can
/// release it. Fails when `close` does not wake the line.
#[test]
fn blocked_submitter_against_close() {
    model(2, || {
        let (started, back) = (Tally::new(), Tally::new());
        let pool = {
            let (started, back) = (Arc::clone(&started), Arc::clone(&back));
            Arc::new(
                FuncPool::builder()
                    .capacity(1)
                    .queue(0)
                    .build(move |_: u8| {
                        started.add();
                        back.wait_for(1);
                    }),
            )
        };
        pool.submit(1).unwrap();
        started.wait_for(1);
        let submitter = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let error = pool.submit(2).unwrap_err();
                assert_eq!(error.reason(), Reason::Closed);
                assert_eq!(error.into_job(), 2);
                back.add();
            })
        };
        pool.close(LONG).unwrap();
        submitter.join().unwrap();
        assert_eq!(started.get(), 1);
    });
}

/// Rules out: a job is accepted while the pool closes, and the drain ends
/// without it, or never. Fails when a closed worker leaves before it looks for
/// jobs.
#[test]
fn last_job_against_close() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        let submitter = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || match pool.try_submit(()) {
                Ok(()) => 1,
                Err(error) => {
                    assert_eq!(error.reason(), Reason::Closed);
                    0
                }
            })
        };
        pool.close(LONG).unwrap();
        let ran_by_then = ran.get();
        let accepted = submitter.join().unwrap();
        assert_eq!(ran_by_then, accepted);
        assert_eq!(
            pool.close(LONG).map_err(|e| e.reason()),
            Err(CloseReason::Closed)
        );
    });
}

/// Rules out: the last job that has not ended is one that a displacer took out, the worker
/// leaves meanwhile, and who waits for the end is not told of it. Fails when `displace`
/// does not look at who waits.
#[test]
fn displace_against_close() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        pool.submit(()).unwrap();
        pool.submit(()).unwrap();
        let displacer = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || match pool.submit_displacing(()) {
                Ok(displaced) => 3 - displaced.len(),
                Err(error) => 2 - error.into_parts().1.len(),
            })
        };
        pool.close(LONG).unwrap();
        let ran_by_then = ran.get();
        assert_eq!(ran_by_then, displacer.join().unwrap());
    });
}

/// Rules out: the last job ends, nobody is told, and who waits for that sleeps
/// on. Fails when `rest` does not look at who waits.
#[test]
fn last_job_against_wait_idle() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        pool.submit(()).unwrap();
        pool.wait_idle();
        assert_eq!(ran.get(), 1);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: who waits for a part of a pool finds its last job not counted, and who waits
/// for the pool finds the place of that job taken; or either is never told. Fails when the
/// place is given back before the job is finished, and when a place does not hold up the
/// end of the pool.
#[test]
fn place_against_wait_idle() {
    model(2, || {
        let pool = Arc::new(Pool::builder().capacity(1).queue(1).build());
        let part = SubPool::new(&pool, "part", 1);
        part.submit(|| ()).unwrap();
        part.wait_idle();
        assert_eq!(pool.stats().ran, 1);
        part.submit(|| ()).unwrap();
        pool.wait_idle();
        assert_eq!(part.taken(), 0);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: a worker goes to sleep for a pause that is over by then, while
/// a job waits. Fails when `resume` does not rouse who sleeps.
#[test]
fn resume_against_sleep() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        pool.pause();
        pool.submit(()).unwrap();
        pool.resume();
        ran.wait_for(1);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: the capacity is raised just as a submitter joins the line, and
/// nobody lets it in. The running job raises it, and ends only after the other
/// has started. Fails when `set_capacity` does not let the line in.
#[test]
fn blocked_submitter_against_tune() {
    model(1, || {
        let started = Tally::new();
        let pool = Arc::new(Pool::builder().capacity(1).max_capacity(2).queue(0).build());
        let (first, tuned) = (Arc::clone(&started), Arc::clone(&pool));
        pool.submit(move || {
            tuned.set_capacity(2);
            first.add();
            first.wait_for(2);
        })
        .unwrap();
        let second = Arc::clone(&started);
        pool.submit(move || second.add()).unwrap();
        started.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: the submitter finds no sleeper and no room for a worker, because
/// one is about to leave for its idle timeout, and that one does not look. The
/// other is busy until this job has started. Time passes at once here. Fails
/// when a call counts those that retire as workers.
#[test]
fn expiry_against_submit() {
    model(1, || {
        let started = Tally::new();
        let tally = Arc::clone(&started);
        let pool = FuncPool::builder()
            .capacity(2)
            .queue(1)
            .prestart(2)
            .idle_timeout(Duration::ZERO)
            .build(move |()| {
                tally.add();
                tally.wait_for(2);
            });
        pool.submit(()).unwrap();
        started.wait_for(1);
        pool.submit(()).unwrap();
        started.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: workers look whether jobs are held back, the capacity is lowered, and
/// each of them takes a job after that. Fails when `Ledger::take` looks at the flag
/// only once, before its loop.
#[test]
fn lower_against_take() {
    model(2, || {
        let (ran, running) = (Tally::new(), Arc::new(AtomicUsize::new(0)));
        let tally = Arc::clone(&ran);
        let builder = FuncPool::builder().capacity(2).queue(1).prestart(2);
        let pool = builder.build(move |()| {
            assert_eq!(running.fetch_add(1, SeqCst), 0, "at a capacity of 1");
            thread::yield_now();
            running.fetch_sub(1, SeqCst);
            tally.add();
        });
        pool.set_capacity(1);
        pool.submit(()).unwrap();
        pool.submit(()).unwrap();
        ran.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: the capacity is lowered while workers are at their hook, and each of them
/// takes a job after it. Fails when `hook_seen_to` does not look at the capacity.
#[test]
fn lower_against_a_start_hook() {
    model(2, || {
        let (ran, running) = (Tally::new(), Arc::new(AtomicUsize::new(0)));
        let tally = Arc::clone(&ran);
        let builder = FuncPool::builder().capacity(2).queue(1).prestart(2);
        let pool = builder.on_worker_start(|_| ()).build(move |()| {
            assert_eq!(running.fetch_add(1, SeqCst), 0, "at a capacity of 1");
            thread::yield_now();
            running.fetch_sub(1, SeqCst);
            tally.add();
        });
        pool.set_capacity(1);
        pool.submit(()).unwrap();
        pool.submit(()).unwrap();
        ran.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: a pool is opened again while its worker is about to leave, which then
/// counts as the one that will see the next job. Fails when `reopen` does not look
/// whether workers are left.
#[test]
fn reopen_against_the_last_to_leave() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        let _late = pool.close(Duration::ZERO);
        while pool
            .reopen()
            .is_err_and(|error| error.reason() == ReopenReason::Draining)
        {
            thread::yield_now();
        }
        pool.submit(()).unwrap();
        ran.wait_for(1);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: a submitter whose job a worker takes by itself calls for one only after the
/// close has drained, and one is made for a pool that is said to have none: it cannot be
/// opened again. Fails when `rouse_one` does not look whether the pool has drained.
#[test]
fn late_call_against_close() {
    model(2, || {
        let (pool, _ran) = counting(2, 1);
        let submitter = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || _ = pool.try_submit(()))
        };
        pool.close(LONG).unwrap();
        submitter.join().unwrap();
        assert_eq!(pool.stats().workers, 0);
    });
}

/// Rules out: a job is accepted while the runtime takes the last worker away, lies in
/// its slot only after that one has looked, and is forgotten. Fails when `last_left`
/// gives up what is ready, not what is accepted.
#[test]
fn abandon_against_submit() {
    model(2, || {
        let pool = Abandoned::default();
        let accepted = [(); 2].map(|()| pool.try_submit());
        let accepted = accepted.into_iter().filter(|accepted| *accepted).count();
        pool.wait_idle();
        assert_eq!(pool.stats().cancelled as usize, accepted);
    });
}
