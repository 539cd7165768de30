//! What is called as a worker begins and ends, and may take long.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use pool_worker::Reason;

use crate::harness::{Hook, LONG, Options, Pool, gated, soon, until};

over_all_pools! {
    hooks_are_called_around_the_life_of_each_worker,
    a_start_hook_that_takes_long_holds_no_other_worker_up,
    a_start_hook_that_takes_long_makes_no_worker_that_has_no_job,
    a_capacity_that_is_lowered_while_start_hooks_run_holds_no_job_up,
    a_job_does_not_wait_for_a_worker_that_leaves,
    a_stop_hook_does_not_wait_for_its_own_pool,
}

/// With runtime threads for three workers more, as hooks may block.
fn options(capacity: usize, queue: usize) -> Options {
    Options {
        threads: capacity + 3,
        ..Options::new(capacity, queue)
    }
}

/// A hook that counts its calls there. The panic of the second costs nothing.
fn count(at: &Arc<AtomicUsize>) -> Option<Hook> {
    let at = Arc::clone(at);
    Some(Arc::new(move |pool| {
        assert_eq!(pool, "suite");
        assert!(at.fetch_add(1, SeqCst) == 0, "as intended");
    }))
}

fn hooks_are_called_around_the_life_of_each_worker<P: Pool>() {
    let (begun, ended) = (Arc::default(), Arc::default());
    let pool = P::build(Options {
        prestart: 2,
        on_start: count(&begun),
        on_stop: count(&ended),
        ..options(2, 8)
    });
    pool.submit(Box::new(|| ())).unwrap();
    pool.close(LONG).unwrap();
    assert_eq!((begun.load(SeqCst), ended.load(SeqCst)), (2, 2));
}

fn a_start_hook_that_takes_long_holds_no_other_worker_up<P: Pool>() {
    let begun = AtomicUsize::new(0);
    let pool = P::build(Options {
        // Returns on each worker when all three are at it.
        on_start: Some(Arc::new(move |_| {
            begun.fetch_add(1, SeqCst);
            until(|| begun.load(SeqCst) >= 3);
        })),
        ..options(3, 3)
    });
    let (tell, told) = channel();
    for _ in 0..3 {
        let tell = tell.clone();
        pool.submit(Box::new(move || tell.send(()).unwrap()))
            .unwrap();
    }
    for _ in 0..3 {
        soon(&told);
    }
    assert_eq!(pool.stats().workers, 3);
    pool.close(LONG).unwrap();
}

/// A hook that tells on each worker that it is there; on those from `first` on, and before
/// `end`, it waits for the gate.
fn waits_on(first: usize, end: usize) -> (Sender<()>, Option<Hook>, Receiver<()>) {
    let ((gate, closed), (tell, told)) = (channel::<()>(), channel());
    let (closed, calls) = (Mutex::new(closed), AtomicUsize::new(0));
    let hook = move |_: &str| {
        let nth = calls.fetch_add(1, SeqCst);
        // Nobody looks any more, at the end of a test.
        let _ = tell.send(());
        if (first..end).contains(&nth) {
            closed.lock().unwrap().recv().unwrap_err();
        }
    };
    (gate, Some(Arc::new(hook)), told)
}

/// One job needs one worker, however long that takes to begin.
fn a_start_hook_that_takes_long_makes_no_worker_that_has_no_job<P: Pool>() {
    let (gate, on_start, begun) = waits_on(0, 1);
    let pool = P::build(Options {
        on_start,
        ..options(8, 8)
    });
    let (tell, told) = channel();
    pool.submit(Box::new(move || tell.send(()).unwrap()))
        .unwrap();
    soon(&begun);
    assert_eq!(pool.stats().workers, 1);
    drop(gate);
    soon(&told);
    assert_eq!(pool.stats().workers, 1);
    pool.close(LONG).unwrap();
}

/// The one worker that is left to run jobs does so, and those that see to their hooks leave
/// after them.
fn a_capacity_that_is_lowered_while_start_hooks_run_holds_no_job_up<P: Pool>() {
    let (gate, on_start, begun) = waits_on(1, 3);
    let pool = P::build(Options {
        prestart: 3,
        on_start,
        ..options(3, 8)
    });
    for _ in 0..3 {
        soon(&begun);
    }
    pool.set_capacity(1);
    for _ in 0..3 {
        let (tell, told) = channel();
        pool.submit(Box::new(move || tell.send(()).unwrap()))
            .unwrap();
        soon(&told);
    }
    drop(gate);
    until(|| pool.stats().workers == 1);
    pool.close(LONG).unwrap();
}

fn a_job_does_not_wait_for_a_worker_that_leaves<P: Pool>() {
    let (gate, on_stop, leaving) = waits_on(0, 1);
    let pool = P::build(Options {
        prestart: 2,
        on_stop,
        ..options(2, 0)
    });
    pool.set_capacity(1);
    soon(&leaving);
    pool.set_capacity(2);
    let (busy, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let (tell, told) = channel();
    pool.try_submit(Box::new(move || tell.send(()).unwrap()))
        .unwrap();
    soon(&told);
    assert_eq!(pool.stats().workers, 3, "one of them leaves");
    drop(gate);
    until(|| pool.stats().workers == 2);
    drop(busy);
    pool.close(LONG).unwrap();
}

/// The first worker that ends fills the pool, and submits where it would wait.
fn a_stop_hook_does_not_wait_for_its_own_pool<P: Pool>() {
    let slot = Arc::new(OnceLock::<Arc<P>>::new());
    let (inside, first) = (Arc::clone(&slot), AtomicUsize::new(0));
    let (tell, told) = channel();
    let hook = move |_: &str| {
        if first.fetch_add(1, SeqCst) == 0 {
            let pool = inside.wait();
            let (gate, job) = gated();
            pool.try_submit(job).unwrap();
            let refused = pool.submit(Box::new(|| ()));
            tell.send(refused.map_err(|refused| refused.reason))
                .unwrap();
            drop(gate);
        }
    };
    let pool = Arc::new(P::build(Options {
        prestart: 2,
        on_stop: Some(Arc::new(hook)),
        ..options(2, 0)
    }));
    assert!(slot.set(Arc::clone(&pool)).is_ok());
    pool.set_capacity(1);
    assert_eq!(soon(&told), Err(Reason::Nested));
    pool.close(LONG).unwrap();
}
