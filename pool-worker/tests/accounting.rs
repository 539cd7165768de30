//! Several submitters at once, of which some wait, some wait a little and some
//! do not: each job runs once or comes back once.
#![cfg(not(loom_models))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use pool_worker::SubmitError;

const SUBMITTERS: u64 = 4;
const EACH: u64 = 2000;
const LONG: Duration = Duration::from_secs(600);

#[test]
fn threads_account_for_every_job_exactly_once() {
    use pool_worker::threads::FuncPool;
    for queue in [0, 3] {
        let ran = Arc::new(AtomicU64::new(0));
        let sum = Arc::clone(&ran);
        let pool = FuncPool::builder().capacity(3).queue(queue);
        let pool = pool.build(move |job: u64| {
            sum.fetch_add(job, SeqCst);
        });
        let back: u64 = std::thread::scope(|scope| {
            let submitters: Vec<_> = (0..SUBMITTERS)
                .map(|submitter| {
                    let pool = &pool;
                    scope.spawn(move || {
                        let mut back = 0;
                        for job in submitter * EACH..(submitter + 1) * EACH {
                            let submitted = match job % 3 {
                                0 => pool.submit(job),
                                1 => pool.try_submit(job),
                                _ => pool.submit_timeout(job, Duration::from_micros(job % 7)),
                            };
                            back += submitted.err().map_or(0, SubmitError::into_job);
                        }
                        back
                    })
                })
                .collect();
            submitters
                .into_iter()
                .map(|each| each.join().unwrap())
                .sum()
        });
        pool.close(LONG).unwrap();
        let jobs = SUBMITTERS * EACH;
        assert_eq!(ran.load(SeqCst) + back, jobs * (jobs - 1) / 2);
        let stats = pool.stats();
        assert_eq!(stats.submitted + stats.rejected, jobs);
        assert_eq!(
            (stats.ran, stats.running, stats.queued),
            (stats.submitted, 0, 0)
        );
    }
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_account_for_every_job_exactly_once() {
    use pool_worker::tasks::FuncPool;
    for queue in [0, 3] {
        let ran = Arc::new(AtomicU64::new(0));
        let sum = Arc::clone(&ran);
        let pool = FuncPool::builder()
            .capacity(3)
            .queue(queue)
            .build(move |job: u64| {
                let sum = Arc::clone(&sum);
                async move {
                    if job.is_multiple_of(5) {
                        tokio::task::yield_now().await;
                    }
                    sum.fetch_add(job, SeqCst);
                }
            });
        let pool = Arc::new(pool);
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|submitter| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    let mut back = 0;
                    for job in submitter * EACH..(submitter + 1) * EACH {
                        let submitted = match job % 3 {
                            0 => pool.submit(job).await,
                            1 => pool.try_submit(job),
                            _ => pool.submit_timeout(job, Duration::ZERO).await,
                        };
                        back += submitted.err().map_or(0, SubmitError::into_job);
                    }
                    back
                })
            })
            .collect();
        let mut back = 0;
        for submitter in submitters {
            back += submitter.await.unwrap();
        }
        pool.close(LONG).await.unwrap();
        let jobs = SUBMITTERS * EACH;
        assert_eq!(ran.load(SeqCst) + back, jobs * (jobs - 1) / 2);
        let stats = pool.stats();
        assert_eq!(stats.submitted + stats.rejected, jobs);
        assert_eq!(stats.ran, stats.submitted);
    }
}
