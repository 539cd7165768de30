//! Models of the queue of tasks, whose ring holds one here; as `loom_group`.

#![cfg(loom_models)]
#![allow(dead_code, unreachable_pub)]

#[path = "../src/queue.rs"]
mod queue;
#[path = "../src/sync.rs"]
mod sync;

use loom::sync::Arc;
use loom::thread;

use queue::Queue;

/// Puts these down in their order.
fn put(queue: &Arc<Queue<usize>>, tasks: &'static [usize]) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || tasks.iter().for_each(|&task| queue.push(task)))
}

/// Takes as many as were promised, which is all that a runner does.
fn take(queue: &Queue<usize>, count: usize) -> Vec<usize> {
    let one = || loop {
        match queue.pop() {
            Some(task) => return task,
            None => thread::yield_now(),
        }
    };
    (0..count).map(|_| one()).collect()
}

fn assert_in_order(taken: &[usize], put: &[usize]) {
    let theirs = taken.iter().filter(|task| put.contains(task));
    assert!(theirs.eq(put), "{put:?} came as {taken:?}");
}

fn model(preemptions: usize, check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(check);
}

/// Fails if what is left beyond the ring is not looked at before the ring is used again.
#[test]
fn tasks_come_in_the_order_of_who_put_them_down() {
    model(3, || {
        let queue = Arc::new(Queue::new());
        let putter = put(&queue, &[1, 2, 3, 4]);
        assert_eq!(take(&queue, 4), [1, 2, 3, 4]);
        putter.join().unwrap();
    });
}

/// Fails if a task is counted only once it lies there, if the count is not looked at again
/// after what was taken, or without the acquire and the release of the latter.
#[test]
fn each_of_two_finds_its_own_order_kept() {
    model(3, || {
        let queue = Arc::new(Queue::new());
        queue.push(0);
        let other = put(&queue, &[1]);
        let putter = put(&queue, &[2, 3]);
        let taken = take(&queue, 4);
        assert_in_order(&taken, &[2, 3]);
        other.join().unwrap();
        putter.join().unwrap();
    });
}

/// Fails if who finds the ring empty does not look beyond it.
#[test]
fn two_takers_find_each_task_once() {
    model(3, || {
        let queue = Arc::new(Queue::new());
        (1..=3).for_each(|task| queue.push(task));
        let putter = put(&queue, &[4]);
        let one = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || take(&queue, 1))
        };
        let mut all = take(&queue, 2);
        all.extend(one.join().unwrap());
        putter.join().unwrap();
        all.extend(take(&queue, 1));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4]);
    });
}
