//! Models of the sleep, wake and hand-over protocols, over the whole pool.
//!
//! A lost wake-up shows as a deadlock, which loom reports; a job lost or run
//! twice fails an assertion.
#![cfg(loom_models)]

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use pool_worker::threads::{FuncPool, Pool};
use pool_worker::{Handle, JobError, JobFailure, Reason};

mod tally;

use tally::{LONG, Tally, counting, model};

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

/// Rules out: a job panics as its handle is dropped, and nobody is told, or the payload is
/// lost or told twice. It goes to the handle if that was there, and else to the handler.
/// Fails when `Report::end` does not look whether the handle was dropped.
#[test]
fn panic_against_drop_of_the_handle() {
    struct Payload(Arc<Tally>);

    impl Drop for Payload {
        fn drop(&mut self) {
            self.0.add();
        }
    }

    model(2, || {
        let (told, dropped, gone) = (Tally::new(), Tally::new(), Tally::new());
        let handler = Arc::clone(&told);
        let builder = Pool::builder().capacity(1).queue(0);
        let pool = builder.panic_handler(move |_| handler.add()).build();
        let (payload, before) = (Payload(Arc::clone(&dropped)), Arc::clone(&gone));
        let late = Tally::new();
        let was_late = Arc::clone(&late);
        let handle = pool.spawn(move || {
            if before.get() == 1 {
                was_late.add();
            }
            resume_unwind(Box::new(payload));
        });
        let handle: Handle<()> = handle.unwrap();
        let had_it = handle.is_finished();
        drop(handle);
        gone.add();
        pool.close(LONG).unwrap();
        assert_eq!(dropped.get(), 1);
        assert!(!had_it || told.get() == 0, "the handle was told");
        assert!(late.get() == 0 || told.get() == 1, "there was no handle");
        assert_eq!(pool.stats().panicked, 1);
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
        assert_eq!(
            cancelled,
            matches!(
                result.map_err(JobError::into_reason),
                Err(JobFailure::Cancelled)
            )
        );
        assert_eq!(ran.get(), usize::from(!cancelled));
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
