//! What drives the state machine as tasks, runners, callers and cancellers do.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::cause::Cause;
use crate::state::{Cancelled, Next, State};
use crate::wait_error::WaitError;
use crate::word::{Asker, Reserved, Was};

/// Every interleaving with at most so many switches away from a thread that
/// could go on: enough for each break that is named below, and seconds instead
/// of hours.
const PREEMPTIONS: usize = 2;

pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(f);
}

/// A task is the index of its mark.
pub(crate) type Group = State<usize, u8>;

pub(crate) fn limited(limit: usize) -> Arc<Group> {
    let group = Group::new();
    group.set_limit(limit);
    Arc::new(group)
}

/// A runner asks for its next task; it may linger if it has just had one.
pub(crate) fn next(group: &Group, was: Was) -> Next<usize> {
    group.next(Asker {
        was,
        may_linger: was == Was::Busy,
        makes_way: true,
    })
}

/// What a runner does with its slot, and what the runners do that it starts:
/// all that is pending. Who makes way has its turn again after the one it started.
pub(crate) fn run(group: &Group, marks: &[AtomicUsize]) {
    run_on(group, Was::New, marks);
}

fn run_on(group: &Group, was: Was, marks: &[AtomicUsize]) {
    let mut runners = vec![was];
    while let Some(was) = runners.pop() {
        match next(group, was) {
            Next::Run { job, start } => {
                assert!(!start);
                marks[job].fetch_add(1, Relaxed);
                runners.push(Was::Busy);
            }
            Next::Grow => runners.extend([Was::Idle, Was::New]),
            Next::Linger => runners.push(Was::Idle),
            Next::Gone { start: true } => runners.push(Was::New),
            Next::Gone { start: false } => {}
        }
    }
}

/// Puts a task into the place it was given, with the runner in line.
pub(crate) fn put(group: &Group, reserved: &Reserved, task: usize, marks: &[AtomicUsize]) -> bool {
    let Reserved::Room { start } = *reserved else {
        return false;
    };
    group.push(task);
    if start {
        run(group, marks);
    }
    true
}

/// What `spawn` does.
pub(crate) fn spawn(group: &Group, task: usize, marks: &[AtomicUsize]) -> bool {
    put(group, &group.reserve(), task, marks)
}

/// What `spawn_wait` does.
pub(crate) fn spawn_wait(group: &Group, task: usize, marks: &[AtomicUsize]) -> bool {
    let mut number = None;
    let reserved = block_on(poll_fn(|cx| group.poll_reserve(&mut number, cx)));
    if let Some(number) = number {
        group.forget_caller(number);
    }
    put(group, &reserved, task, marks)
}

/// Takes a slot, as a runner that runs a task of its own.
pub(crate) fn occupy(group: &Group) {
    assert_eq!(group.reserve(), Reserved::Room { start: true });
    group.push(usize::MAX);
    assert!(matches!(
        next(group, Was::New),
        Next::Run { start: false, .. }
    ));
}

/// The runner of `occupy` comes to the end of its task.
pub(crate) fn vacate(group: &Group, marks: &[AtomicUsize]) {
    match next(group, Was::Busy) {
        Next::Run { job, start } => {
            assert!(!start);
            marks[job].fetch_add(1, Relaxed);
            vacate(group, marks);
        }
        Next::Linger => run_on(group, Was::Idle, marks),
        Next::Gone { start } => assert!(!start),
        Next::Grow => unreachable!("one task is pending at most"),
    }
}

pub(crate) fn refill(group: &Group, marks: &[AtomicUsize]) {
    if group.refill() {
        run(group, marks);
    }
}

pub(crate) fn cancel(group: &Group, reason: Cause<u8>) -> usize {
    match group.cancel(reason) {
        Cancelled::First(pending) => {
            group.leave();
            pending.len()
        }
        Cancelled::Late(_) | Cancelled::Ended(_) => 0,
    }
}

pub(crate) fn wait(group: &Group) -> Result<(), WaitError<u8>> {
    block_on(poll_fn(|cx| group.poll_join(cx)))
}

/// Waits for the end, whichever it is.
pub(crate) fn end(group: &Group) {
    let _ = wait(group);
}

pub(crate) fn marks<const N: usize>() -> Arc<[AtomicUsize; N]> {
    Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)))
}

pub(crate) fn each_once(marks: &[AtomicUsize]) {
    assert!(marks.iter().all(|mark| mark.load(Relaxed) == 1));
}
