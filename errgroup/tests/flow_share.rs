//! Nodes that compute run beside one another, on all threads of the runtime, though the
//! flow is run by a task of it.

#![cfg(feature = "flow")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use errgroup::flow::{Flow, Node, OnFailure, Report};

/// So that a test fails in place of hanging; a meeting takes no time.
const AT_LAST: Duration = Duration::from_secs(5);

/// One of two nodes that block their threads until the other one runs too.
struct Meeting(Sender<()>, Receiver<()>);

impl Meeting {
    fn two() -> [Self; 2] {
        let (tell_one, one_is_told) = channel();
        let (tell_other, other_is_told) = channel();
        [Self(tell_other, one_is_told), Self(tell_one, other_is_told)]
    }

    fn attend(self) -> Result<(), &'static str> {
        self.0.send(()).map_err(|_| "the other one is gone")?;
        let told = self.1.recv_timeout(AT_LAST);
        told.map_err(|_| "the other one does not run")
    }
}

/// Runs the flow in a task on two threads.
fn run(flow: Flow<&'static str>) {
    let report = report(flow);
    assert!(report.is_ok(), "{report:?}");
}

fn report(flow: Flow<&'static str>) -> Report<&'static str> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(runtime.spawn(flow.run())).unwrap()
}

fn flow() -> Flow<&'static str> {
    Flow::new().on_failure(OnFailure::SkipDescendants)
}

fn meet<T: Send + Sync + 'static>(flow: &mut Flow<&'static str>, after: Node<T>) {
    for one in Meeting::two() {
        flow.node("meets", after, |_| async { one.attend() });
    }
}

/// Long enough to be worth another thread.
fn compute() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
}

#[test]
fn two_nodes_that_become_ready_at_once_both_run() {
    let mut flow = flow();
    let first = flow.node("first", (), |()| async { Ok(()) });
    meet(&mut flow, first);
    run(flow);
}

#[test]
fn two_first_nodes_both_run() {
    let mut flow = flow();
    for one in Meeting::two() {
        flow.node("meets", (), |()| async { one.attend() });
    }
    run(flow);
}

#[test]
fn many_nodes_that_take_long_are_shared() {
    let mut flow = flow();
    let first = flow.node("first", (), |()| async { Ok(()) });
    for _ in 0..20 {
        flow.node("computes", first, |_| async {
            compute();
            Ok(())
        });
    }
    meet(&mut flow, first);
    run(flow);
}

/// Many short nodes, a long one after so many of these, and two behind it that meet: a driver
/// takes some of them along at once.
fn long_among_short_ones(before: usize) -> Flow<&'static str> {
    let mut flow = flow();
    let first = flow.node("first", (), |()| async { Ok(()) });
    let short = |flow: &mut Flow<_>, count| {
        for _ in 0..count {
            flow.node("short", first, |_| async { Ok(()) });
        }
    };
    short(&mut flow, before);
    flow.node("long", first, |_| async {
        compute();
        Ok(())
    });
    meet(&mut flow, first);
    short(&mut flow, 80);
    flow
}

/// Wherever in what is taken along the long one is. If the thread is held up in a short
/// node, another driver is called, has seen short ones alone, and may take both who meet along
/// with those: hence more than one try.
#[test]
fn nodes_taken_along_with_short_ones_are_shared_after_a_long_one() {
    for before in 15..25 {
        let mut tries = (0..4).map(|_| report(long_among_short_ones(before)));
        assert!(tries.any(|report| report.is_ok()), "after {before}");
    }
}
