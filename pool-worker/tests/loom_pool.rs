//! Models of the sleep, wake and hand-over protocols, over the whole pool.
//!
//! A lost wake-up shows as a deadlock, which loom reports; a job lost or run
//! twice fails an assertion. No model waits for its jobs by `close`, which
//! would wake everyone and so hide what it looks for.
#![cfg(loom_models)]

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use loom::sync::atomic::AtomicUsize;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use pool_worker::abandoning::Abandoned;
use pool_worker::threads::{FuncPool, Pool};
use pool_worker::{CloseError, JobError, Reason, ReopenError};

const LONG: Duration = Duration::from_secs(1_000_000);

/// Explores every schedule with at most this many preemptions.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(f);
}

/// Counts up, and waits for a count.
#[derive(Default)]
struct Tally {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Tally {
    fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    fn wait_for(&self, wanted: usize) {
        let mut count = self.count.lock().unwrap();
        while *count < wanted {
            count = self.changed.wait(count).unwrap();
        }
    }

    fn get(&self) -> usize {
        *self.count.lock().unwrap()
    }
}

/// A pool whose jobs count themselves.
fn counting(capacity: usize, queue: usize) -> (Arc<FuncPool<()>>, Arc<Tally>) {
    let ran = Tally::new();
    let tally = Arc::clone(&ran);
    let pool = FuncPool::builder()
        .capacity(capacity)
        .queue(queue)
        .build(move |()| tally.add());
    (Arc::new(pool), ran)
}

/// Rules out: the worker sees no job and sleeps, while the submitter sees no
/// sleeper and wakes no one. Fails when `Dispatcher::rest` does not look at
/// the counts after it armed.
#[test]
fn submit_against_park() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        pool.submit(()).unwrap();
        ran.wait_for(1);
        pool.submit(()).unwrap();
        ran.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: with a queue bound of 0, a submitter blocks after the worker
/// finished and saw no one blocked. Fails when `join_line` flags the line only
/// after its last try, and when `finish` does not look at the flag.
#[test]
fn hand_over_against_block() {
    model(2, || {
        let (pool, ran) = counting(1, 0);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.submit(()).unwrap())
        };
        pool.submit(()).unwrap();
        ran.wait_for(2);
        other.join().unwrap();
        assert_eq!(pool.stats().waiting, 0);
        pool.close(LONG).unwrap();
        assert_eq!(ran.get(), 2);
    });
}

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
        assert_eq!(pool.close(LONG), Err(CloseError::Closed));
    });
}

/// Rules out: two jobs come in one burst, the first submitter wakes a worker,
/// the second relies on it, and the second worker sleeps on. Each job waits
/// for the other, so both workers must wake. Fails when a roused worker does
/// not relay.
#[test]
fn burst_against_wake_throttling() {
    model(1, || {
        let started = Tally::new();
        let pool = {
            let started = Arc::clone(&started);
            FuncPool::builder().capacity(2).queue(0).build(move |()| {
                started.add();
                started.wait_for(2);
            })
        };
        pool.submit(()).unwrap();
        pool.submit(()).unwrap();
        started.wait_for(2);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: a submitter gives up just as the worker lets it in, and its slot
/// or its job is lost, or the job is both run and given back. Fails when
/// `admit_line` takes room before it knows that someone is in the line.
#[test]
fn give_up_against_admission() {
    model(2, || {
        let (pool, ran) = counting(1, 0);
        let hasty = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || match pool.submit_timeout((), Duration::ZERO) {
                Ok(()) => 1,
                Err(error) => {
                    assert_eq!(error.reason(), Reason::Timeout);
                    0
                }
            })
        };
        pool.submit(()).unwrap();
        let accepted = 1 + hasty.join().unwrap();
        ran.wait_for(accepted);
        pool.close(LONG).unwrap();
        assert_eq!(ran.get(), accepted);
        assert_eq!(pool.stats().waiting, 0);
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

/// Rules out: a job is cancelled just as it starts, and both runs and tells
/// that it never will, or tells nothing. Fails when `Report::run` does not look
/// whether the job was called off.
#[test]
fn cancel_against_start() {
    model(2, || {
        let ran = Tally::new();
        let pool = Pool::builder().capacity(1).queue(1).build();
        let handle = {
            let ran = Arc::clone(&ran);
            pool.spawn(move || ran.add()).unwrap()
        };
        let cancelled = handle.cancel();
        let result = handle.wait();
        assert_eq!(cancelled, matches!(result, Err(JobError::Cancelled)));
        assert_eq!(ran.get(), usize::from(!cancelled));
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

/// Rules out: a slot is filled for the next lap before its job was moved out,
/// or emptied twice. Fails when `Slots::put` does not wait for the state.
#[test]
fn slot_reuse() {
    model(2, || {
        let ran = Tally::new();
        let pool = Pool::builder().unlimited().queue(0).build();
        // The ring has two slots, and one is given out again when its job was
        // taken by the one worker, which is a step before it is moved out.
        pool.set_capacity(1);
        for _ in 0..3 {
            let ran = Arc::clone(&ran);
            pool.submit(move || ran.add()).unwrap();
        }
        ran.wait_for(3);
        pool.close(LONG).unwrap();
    });
}

/// Rules out: the submitter finds no sleeper and no room for a worker, because
/// one is about to leave for its idle timeout, and that one does not look. The
/// other is busy until this job has started. Time passes at once here. Fails
/// when who retires does not relay.
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

/// Rules out: in a pool without a limit a submitter blocks for a full ring just
/// as a worker makes room by taking, not by finishing, and is not let in. Fails
/// when `Ledger::take` looks at the flag only with a finished job.
#[test]
fn block_against_take_without_a_limit() {
    model(2, || {
        let started = Tally::new();
        let pool = Arc::new(Pool::builder().unlimited().queue(0).build());
        // One worker is enough to see it, and two would be too many to model.
        pool.set_capacity(1);
        let (first, third) = (Arc::clone(&started), Arc::clone(&started));
        // The ring holds two, and this one ends only after the third got in.
        pool.submit(move || first.wait_for(1)).unwrap();
        pool.submit(|| ()).unwrap();
        pool.submit(move || third.add()).unwrap();
        started.add();
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

/// Rules out: a job both makes room for another and runs, or neither; and a job is
/// refused though the worker has just made room. Fails when `displace` does not
/// offer the job once more after it found none to take.
#[test]
fn displace_against_take() {
    model(2, || {
        let (pool, ran) = counting(1, 1);
        pool.submit(()).unwrap();
        pool.submit(()).unwrap();
        let displaced = pool.submit_displacing(()).unwrap().len();
        ran.wait_for(3 - displaced);
        pool.close(LONG).unwrap();
        assert_eq!(ran.get(), 3 - displaced);
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
        while pool.reopen() == Err(ReopenError::Draining) {
            thread::yield_now();
        }
        pool.submit(()).unwrap();
        ran.wait_for(1);
        pool.close(LONG).unwrap();
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
