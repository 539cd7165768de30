//! Batches of tiny jobs through each pool; a round ends when every job has run.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pool_worker::{tasks, threads};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

const JOBS: usize = 10_000;

static RAN: AtomicUsize = AtomicUsize::new(0);
static ALL_RAN: Notify = Notify::const_new();

/// A job of a batch; `true` for the last.
fn job() -> bool {
    (RAN.fetch_add(1, Relaxed) + 1).is_multiple_of(JOBS)
}

fn job_on_thread(done: &SyncSender<()>) {
    if job() {
        done.send(()).expect("the round waits");
    }
}

async fn job_in_task(_: usize) {
    if job() {
        ALL_RAN.notify_one();
    }
}

fn worker(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut cases = criterion.benchmark_group("worker");
    cases.throughput(Throughput::Elements(JOBS as u64));
    cases.sample_size(20);

    let (done, all_ran) = sync_channel(1);
    let pool = threads::Pool::builder().capacity(2).build();
    cases.bench_function("threads/pool", |bencher| {
        bencher.iter(|| {
            for _ in 0..JOBS {
                let done = done.clone();
                pool.submit(move || job_on_thread(&done)).expect("is open");
            }
            all_ran.recv().expect("the last job tells");
        });
    });
    let pool = threads::FuncPool::builder()
        .capacity(2)
        .build(move |_: usize| job_on_thread(&done));
    cases.bench_function("threads/func", |bencher| {
        bencher.iter(|| {
            for number in 0..JOBS {
                pool.submit(number).expect("is open");
            }
            all_ran.recv().expect("the last job tells");
        });
    });
    let pool = tasks::Pool::builder().capacity(2).build();
    cases.bench_function("tasks/pool", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for number in 0..JOBS {
                    pool.submit(job_in_task(number)).await.expect("is open");
                }
                ALL_RAN.notified().await;
            });
        });
    });
    let pool = tasks::FuncPool::builder().capacity(2).build(job_in_task);
    cases.bench_function("tasks/func", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                for number in 0..JOBS {
                    pool.submit(number).await.expect("is open");
                }
                ALL_RAN.notified().await;
            });
        });
    });
    cases.finish();
}

criterion_group!(benches, worker);
criterion_main!(benches);
