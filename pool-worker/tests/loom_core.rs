//! Every interleaving of the core: each model is named after what it rules
//! out, and says which break of the protocol it was seen to catch.
//!
//! `./loom.sh pool-worker` runs them.
#![cfg(loom_models)]

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, Thread};
use pool_worker::Reason;
use pool_worker::models::{Accepted, Core, Next};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// As a thread of a pool waits. A park without an unpark is a deadlock, which
/// loom reports: that is how these models see a lost wake-up.
fn wait<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

type Pool = loom::sync::Arc<Core<usize>>;

fn pool(capacity: usize, queue: usize) -> Pool {
    loom::sync::Arc::new(Core::new(capacity, queue))
}

/// Runs jobs until it is told to end; the sum of them.
fn work(core: &Pool) -> usize {
    let mut worker = core.begin_work();
    let mut sum = 0;
    while let Next::Run(job) = wait(|cx| core.poll_next(&mut worker, cx)) {
        sum += job.into_job();
        worker.job_ended();
    }
    sum
}

/// Submits and waits for a place; `Err` has the job that came back.
fn submit(core: &Pool, job: usize) -> Result<Accepted, usize> {
    let (mut job, mut ticket) = (Some(job), None);
    wait(|cx| core.poll_submit(&mut job, &mut ticket, cx)).map_err(|error| {
        assert_eq!(error.reason(), Reason::Closed);
        error.into_job()
    })
}

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// Caught: `poll_next` that lets the lock go between the look into the queue
/// and the entry among the idle.
#[test]
fn a_job_that_comes_while_its_worker_parks_is_run() {
    model(|| {
        let core = pool(1, 1);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        let worker = thread::spawn({
            let core = core.clone();
            move || work(&core)
        });
        assert_eq!(core.try_submit(2).ok(), Some(Accepted::Served));
        core.close();
        wait(|cx| core.poll_closed(cx));
        assert_eq!(worker.join().unwrap(), 3);
    });
}

/// Caught: `close` that does not wake those who wait in line, and a submitter
/// that lets the lock go between finding the pool full and joining the line.
#[test]
fn a_blocked_submitter_is_not_left_behind_by_close() {
    model(|| {
        let core = pool(1, 0);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        let submitter = thread::spawn({
            let core = core.clone();
            move || submit(&core, 2)
        });
        let closer = thread::spawn({
            let core = core.clone();
            move || assert!(core.close())
        });
        let sum = work(&core);
        closer.join().unwrap();
        // It ran, or it came back: never both, never neither.
        match submitter.join().unwrap() {
            Ok(Accepted::Served) => assert_eq!(sum, 3),
            Ok(Accepted::StartWorker) => panic!("there is a worker"),
            Err(job) => assert_eq!((sum, job), (1, 2)),
        }
        assert_eq!(core.stats().waiting, 0);
    });
}

/// Caught: a grant in `free_place` that does not wake its submitter.
#[test]
fn a_place_that_is_freed_goes_to_the_submitter_that_waits() {
    model(|| {
        let core = pool(1, 0);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        let ran = loom::sync::Arc::new(AtomicUsize::new(0));
        let worker = thread::spawn({
            let (core, ran) = (core.clone(), ran.clone());
            move || ran.fetch_add(work(&core), Relaxed)
        });
        assert_eq!(submit(&core, 2), Ok(Accepted::Served));
        // With a queue of 0 nothing waits behind a job that runs.
        let stats = core.stats();
        assert!(stats.queued + stats.running <= 1, "{stats:?}");
        core.close();
        wait(|cx| core.poll_closed(cx));
        worker.join().unwrap();
        assert_eq!(ran.load(Relaxed), 3);
    });
}

/// Caught: `give_up` that frees a place which its job never had, and a grant
/// that takes the job out of the line and does not queue it.
#[test]
fn a_submitter_that_gives_up_has_its_job_back_or_it_runs() {
    model(|| {
        let core = pool(1, 0);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        let worker = thread::spawn({
            let core = core.clone();
            move || work(&core)
        });
        let (mut job, mut ticket) = (Some(2), None);
        let polled = {
            let mut cx = Context::from_waker(Waker::noop());
            core.poll_submit(&mut job, &mut ticket, &mut cx)
        };
        let back = match polled {
            Poll::Ready(accepted) => {
                assert_eq!(accepted.ok(), Some(Accepted::Served));
                None
            }
            Poll::Pending => core.give_up(ticket.unwrap()),
        };
        core.close();
        wait(|cx| core.poll_closed(cx));
        assert_eq!(worker.join().unwrap() + back.unwrap_or(0), 3);
        let stats = core.stats();
        assert_eq!(stats.submitted + stats.rejected, 2);
        assert_eq!((stats.queued, stats.running), (0, 0));
    });
}

/// Caught: a worker that looks at `closed` before it looks into the queue, and
/// a last worker that does not wake the closers.
#[test]
fn the_last_job_is_not_lost_to_close() {
    model(|| {
        let core = pool(1, 1);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        let worker = thread::spawn({
            let core = core.clone();
            move || work(&core)
        });
        let submitter = thread::spawn({
            let core = core.clone();
            move || core.try_submit(2).map_err(|error| error.into_job())
        });
        core.close();
        wait(|cx| core.poll_closed(cx));
        let back = submitter.join().unwrap().err().unwrap_or(0);
        assert_eq!(worker.join().unwrap() + back, 3);
    });
}

/// Caught: `worker_gone` that does not pass a wake-up on.
#[test]
fn a_worker_that_goes_after_it_was_woken_leaves_its_job_to_another() {
    model(|| {
        let core = pool(2, 0);
        assert_eq!(core.try_submit(1).ok(), Some(Accepted::StartWorker));
        assert_eq!(core.try_submit(2).ok(), Some(Accepted::StartWorker));
        let (mut first, mut second) = (core.begin_work(), core.begin_work());
        for worker in [&mut first, &mut second] {
            assert!(matches!(
                wait(|cx| core.poll_next(worker, cx)),
                Next::Run(_)
            ));
            worker.job_ended();
        }
        let stays = thread::spawn({
            let core = core.clone();
            move || {
                let next = wait(|cx| core.poll_next(&mut first, cx));
                core.worker_gone(&first);
                match next {
                    Next::Run(job) => job.into_job(),
                    Next::End => 0,
                }
            }
        });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(core.poll_next(&mut second, &mut cx).is_pending());
        let goes = thread::spawn({
            let core = core.clone();
            move || core.worker_gone(&second)
        });
        let accepted = core.try_submit(4).unwrap();
        goes.join().unwrap();
        if accepted == Accepted::StartWorker {
            // The one that goes was gone already, and the other one busy.
            core.close();
            assert_eq!(work(&core) + stays.join().unwrap(), 4);
        } else {
            assert_eq!(stays.join().unwrap(), 4);
        }
    });
}
