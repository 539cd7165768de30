//! pool-worker on its own: a batch of tiny jobs through each kind of pool,
//! two workers, one submitter, every job's delay recorded. The time is that of
//! one job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pool_worker::{tasks, threads};

const WORKERS: usize = 2;
const QUEUE: usize = 1024;
const LONG: Duration = Duration::from_secs(600);

/// What the jobs of a run add up to, so that no job can be lost unseen.
#[derive(Clone)]
struct Sum(Arc<[AtomicU64; 64]>);

impl Sum {
    fn new() -> Self {
        Self(Arc::new([const { AtomicU64::new(0) }; 64]))
    }

    fn add(&self, job: u64) {
        self.0[job as usize % 64].fetch_add(job, Ordering::Relaxed);
    }

    fn check(&self, jobs: u64) {
        let sum: u64 = self.0.iter().map(|part| part.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, jobs * (jobs - 1) / 2, "a job was lost");
    }
}

fn on_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("worker/threads");
    group.bench_function("pool", |b| {
        b.iter_custom(|jobs| {
            let sum = Sum::new();
            let pool = threads::Pool::builder()
                .capacity(WORKERS)
                .queue(QUEUE)
                .build();
            let begin = Instant::now();
            for job in 0..jobs {
                let sum = sum.clone();
                pool.submit(move || sum.add(job)).expect("open");
            }
            pool.close(LONG).expect("drains");
            let took = begin.elapsed();
            sum.check(jobs);
            took
        });
    });
    group.bench_function("func", |b| {
        b.iter_custom(|jobs| {
            let sum = Sum::new();
            let add = sum.clone();
            let pool = threads::FuncPool::builder()
                .capacity(WORKERS)
                .queue(QUEUE)
                .build(move |job| add.add(job));
            let begin = Instant::now();
            for job in 0..jobs {
                pool.submit(job).expect("open");
            }
            pool.close(LONG).expect("drains");
            let took = begin.elapsed();
            sum.check(jobs);
            took
        });
    });
}

fn on_tasks(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut group = c.benchmark_group("worker/tasks");
    group.bench_function("pool", |b| {
        b.iter_custom(|jobs| {
            let run = runtime.spawn(async move {
                let sum = Sum::new();
                let pool = tasks::Pool::builder()
                    .capacity(WORKERS)
                    .queue(QUEUE)
                    .build();
                let begin = Instant::now();
                for job in 0..jobs {
                    let sum = sum.clone();
                    pool.submit(async move { sum.add(job) })
                        .await
                        .expect("open");
                }
                pool.close(LONG).await.expect("drains");
                let took = begin.elapsed();
                sum.check(jobs);
                took
            });
            runtime.block_on(run).expect("no panic")
        });
    });
    group.bench_function("func", |b| {
        b.iter_custom(|jobs| {
            let run = runtime.spawn(async move {
                let sum = Sum::new();
                let add = sum.clone();
                let pool = tasks::FuncPool::builder()
                    .capacity(WORKERS)
                    .queue(QUEUE)
                    .build(move |job| {
                        add.add(job);
                        std::future::ready(())
                    });
                let begin = Instant::now();
                for job in 0..jobs {
                    pool.submit(job).await.expect("open");
                }
                pool.close(LONG).await.expect("drains");
                let took = begin.elapsed();
                sum.check(jobs);
                took
            });
            runtime.block_on(run).expect("no panic")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = on_threads, on_tasks
}
criterion_main!(benches);
