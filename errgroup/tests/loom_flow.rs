//! Models of who runs the nodes of a flow; as `loom_group.rs`.

#![cfg(loom_models)]
#![allow(dead_code, unreachable_pub)]

#[path = "../src/flow/ready.rs"]
mod ready;
#[path = "../src/sync.rs"]
mod sync;

use std::collections::VecDeque;
use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread::{self, JoinHandle};

use ready::{Ready, UNKNOWN};

struct Run {
    ready: Ready,
    /// How often each node was run.
    ran: [AtomicUsize; 4],
    /// Node 1 waits until these have run.
    awaited: &'static [usize],
    running: AtomicUsize,
    limit: usize,
    /// How long a node takes, as its driver sees it.
    pace: Duration,
}

fn start(run: &Arc<Run>) -> JoinHandle<()> {
    let run = Arc::clone(run);
    thread::spawn(move || drive(&run))
}

/// What a driver does; node 0 makes 1, 2 and 3 ready, and node 1 waits. One that has
/// called another gives back what it took before it goes on.
fn drive(run: &Arc<Run>) {
    let (mut batch, mut started) = (VecDeque::new(), Vec::new());
    let mut called = 0;
    loop {
        if batch.is_empty() {
            let (taken, another) = run.ready.take(&mut batch, run.pace);
            started.extend(another.then(|| start(run)));
            if !taken {
                break;
            }
        }
        if called < started.len() {
            let another = run.ready.give_back(&mut batch, run.pace);
            started.extend(another.then(|| start(run)));
            called = started.len();
            continue;
        }
        let node = batch.pop_front().expect("was taken");
        assert!(run.running.fetch_add(1, SeqCst) < run.limit);
        if node == 1 {
            started.extend(run.ready.wait(&mut batch).then(|| start(run)));
            while run
                .awaited
                .iter()
                .any(|&other| run.ran[other].load(SeqCst) == 0)
            {
                thread::yield_now();
            }
            run.ready.resume();
        }
        run.running.fetch_sub(1, SeqCst);
        run.ran[node].fetch_add(1, SeqCst);
        if node == 0 {
            started.extend(run.ready.add([1, 2, 3], run.pace).then(|| start(run)));
        }
    }
    for driver in started {
        driver.join().unwrap();
    }
}

fn all_run(limit: usize, workers: usize, awaited: &'static [usize], pace: Duration) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let run = Arc::new(Run {
            ready: Ready::new(limit, workers),
            ran: Default::default(),
            awaited,
            running: AtomicUsize::new(0),
            limit,
            pace,
        });
        assert!(run.ready.add([0], UNKNOWN), "somebody has to run it");
        drive(&run);
        for ran in &run.ran {
            assert_eq!(ran.load(SeqCst), 1);
        }
    });
}

/// Two drivers share what is ready, and give back what they took. Catches: a batch that
/// stays in the queue, too, or with who has given it back; a driver that is started and
/// not counted.
#[test]
fn two_drivers_run_the_same_node() {
    all_run(2, 2, &[], UNKNOWN);
}

/// The node that waits needs those that its driver has taken with it. Catches: a
/// driver that waits and keeps them, or does not count as one that waits.
#[test]
fn a_node_waits_behind_the_one_that_waits_for_it() {
    all_run(2, 1, &[2, 3], UNKNOWN);
}

/// One node at a time, and one of them waits. Catches: a limit that is not looked
/// at, or that a driver who waits does not count for.
#[test]
fn the_limit_is_passed_while_a_node_waits() {
    all_run(1, 2, &[], UNKNOWN);
}

/// The nodes are so small that no other driver is called for, but one of them waits
/// for those behind it. Catches: a driver that waits and calls for nobody, as the
/// nodes are small.
#[test]
fn small_nodes_are_left_behind_one_that_waits_for_them() {
    all_run(2, 2, &[2, 3], Duration::ZERO);
}
