//! Every job is accounted for exactly once: it ran, or it came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{LONG, Pool};

over_all_pools! {
    every_job_runs_once_or_comes_back,
    every_job_is_accounted_for_while_the_pool_closes,
    no_more_jobs_run_at_once_than_the_capacity,
}

const SUBMITTERS: usize = 4;
const EACH: usize = 5_000;

struct Marks(Vec<AtomicU8>);

impl Marks {
    fn new() -> Arc<Self> {
        let marks = std::iter::repeat_with(|| AtomicU8::new(0));
        Arc::new(Self(marks.take(SUBMITTERS * EACH).collect()))
    }

    fn mark(&self, job: usize) {
        self.0[job].fetch_add(1, Ordering::Relaxed);
    }

    fn assert_each_marked_once(&self) {
        for (job, mark) in self.0.iter().enumerate() {
            assert_eq!(mark.load(Ordering::Relaxed), 1, "job {job}");
        }
    }
}

/// Submits from many threads in all three ways; what comes back is run here.
/// Returns how many came back.
fn submit_all<P: Pool>(pool: &P, marks: &Arc<Marks>, halfway: impl Fn() + Sync) -> u64 {
    let came_back = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for submitter in 0..SUBMITTERS {
            let (came_back, halfway) = (&came_back, &halfway);
            scope.spawn(move || {
                for nth in 0..EACH {
                    let job = submitter * EACH + nth;
                    let marks = Arc::clone(marks);
                    let work = Box::new(move || marks.mark(job));
                    let submitted = match job % 3 {
                        0 => pool.submit(work),
                        1 => pool.try_submit(work),
                        _ => pool.submit_timeout(work, Duration::from_micros(50)),
                    };
                    if let Err(refused) = submitted {
                        came_back.fetch_add(1, Ordering::Relaxed);
                        (refused.job)();
                    }
                    if job == EACH / 2 {
                        halfway();
                    }
                }
            });
        }
    });
    came_back.into_inner() as u64
}

fn every_job_runs_once_or_comes_back<P: Pool>() {
    for (capacity, queue) in [(1, 0), (3, 0), (2, 7)] {
        let pool = P::new(capacity, queue);
        let marks = Marks::new();
        let came_back = submit_all(&pool, &marks, || ());
        pool.close(LONG).unwrap();
        marks.assert_each_marked_once();

        let stats = pool.stats();
        let all = (SUBMITTERS * EACH) as u64;
        assert_eq!(stats.submitted + came_back, all);
        assert_eq!(stats.rejected, came_back);
        assert_eq!(stats.ran, stats.submitted);
        assert_eq!((stats.queued, stats.running, stats.waiting), (0, 0, 0));
    }
}

fn every_job_is_accounted_for_while_the_pool_closes<P: Pool>() {
    let pool = P::new(2, 5);
    let marks = Marks::new();
    let came_back = submit_all(&pool, &marks, || pool.close(LONG).unwrap());
    marks.assert_each_marked_once();

    let stats = pool.stats();
    assert!(came_back > 0);
    assert_eq!(stats.ran + came_back, (SUBMITTERS * EACH) as u64);
    assert_eq!(stats.workers, 0);
}

fn no_more_jobs_run_at_once_than_the_capacity<P: Pool>() {
    let pool = P::new(3, 50);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..3_000 {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        pool.submit(Box::new(move || {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
        }))
        .unwrap();
        assert!(pool.stats().workers <= 3);
    }
    pool.close(LONG).unwrap();
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}
