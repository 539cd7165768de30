//! Tiny tasks through an error group: each captures three words and marks its
//! own slot, and a round in which a slot was not marked exactly once fails.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use errgroup::Group;
use tokio::runtime::Runtime;

const TASKS: usize = 100_000;

/// One slot a task; in a `static`, so that the figure is the group's and not
/// that of a contended `Arc`.
static SLOTS: [AtomicU32; TASKS] = [const { AtomicU32::new(0) }; TASKS];

fn task(slot: usize) -> impl Future<Output = Result<(), ()>> + Send + 'static {
    let (slots, step) = (&SLOTS[..], 1);
    async move {
        slots[slot].fetch_add(step, Relaxed);
        Ok(())
    }
}

/// Every slot was marked once since the last check.
fn check() {
    for slot in &SLOTS {
        assert_eq!(slot.swap(0, Relaxed), 1);
    }
}

async fn by_spawn(limit: usize) {
    let group = Group::new().limit(limit);
    for slot in 0..TASKS {
        group.spawn(task(slot));
    }
    group.wait().await.expect("no task fails");
}

async fn by_spawn_wait(limit: usize) {
    let group = Group::new().limit(limit);
    for slot in 0..TASKS {
        if group.spawn_wait(task(slot)).await.is_err() {
            unreachable!("no task fails");
        }
    }
    group.wait().await.expect("no task fails");
}

/// The floor: nothing but spawn; the end is when every slot is marked.
async fn by_bare_spawn() {
    for slot in 0..TASKS {
        tokio::spawn(task(slot));
    }
    for slot in &SLOTS {
        while slot.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn errgroup(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut cases = criterion.benchmark_group("errgroup");
    cases.throughput(Throughput::Elements(TASKS as u64));
    cases.sample_size(20);
    macro_rules! case {
        ($name:literal, $run:expr) => {
            cases.bench_function($name, |bencher| {
                bencher.iter(|| {
                    // On a worker of the runtime, where a server's code is.
                    let round = runtime.spawn(async { $run.await });
                    runtime.block_on(round).expect("the round ends");
                    check();
                });
            });
        };
    }
    case!("limit2/spawn", by_spawn(2));
    case!("limit64/spawn", by_spawn(64));
    case!("limit2/spawn_wait", by_spawn_wait(2));
    case!("limit64/spawn_wait", by_spawn_wait(64));
    case!("unlimited", by_spawn(usize::MAX));
    case!("bare-spawn", by_bare_spawn());
    // From the main thread, where a wake is a system call on both sides.
    cases.sample_size(10);
    cases.bench_function("limit2/spawn_wait/main", |bencher| {
        bencher.iter(|| {
            runtime.block_on(by_spawn_wait(2));
            check();
        });
    });
    cases.finish();
}

criterion_group!(benches, errgroup);
criterion_main!(benches);
