//! What both engines promise, in the same words for each.
#![cfg(not(loom_models))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pool_worker::{CloseError, Reason};

/// Longer than any test takes: where the end is waited for, not the time.
const LONG: Duration = Duration::from_secs(600);

/// The tests, as async functions: `$wait` is how the engine waits (nothing for
/// threads, `.await` for tasks), `$job` makes a job of
/// a block, `$run` what a function gives back; `$gate` is a thing to wait at.
macro_rules! conformance {
    ($engine:ident, $test:meta, [$($async:tt)?], [$($wait:tt)*], $job:ident, $run:ident, $gate:ident) => {
        mod $engine {
            use super::*;
            use pool_worker::$engine::{FuncPool, Pool};

            #[$test]
            $($async)? fn with_a_queue_of_0_a_job_is_accepted_only_for_a_free_worker() {
                let pool = Pool::builder().capacity(2).queue(0).build();
                let gate = $gate::new();
                for _ in 0..2 {
                    let held = gate.clone();
                    pool.try_submit($job!({ held.pass() $($wait)*; })).unwrap();
                }
                let refused = pool.try_submit($job!({})).unwrap_err();
                assert_eq!(refused.reason(), Reason::Full);
                let stats = pool.stats();
                assert_eq!((stats.submitted, stats.rejected, stats.workers), (2, 1, 2));
                gate.open();
                pool.submit($job!({})) $($wait)* .unwrap();
                pool.close(LONG) $($wait)* .unwrap();
                assert_eq!(pool.stats().ran, 3);
            }

            #[$test]
            $($async)? fn a_full_pool_gives_the_job_back() {
                let gate = $gate::new();
                let held = gate.clone();
                let pool = FuncPool::builder().capacity(1).queue(1).build(move |_: String| {
                    let held = held.clone();
                    $run!({ held.pass() $($wait)*; })
                });
                pool.try_submit("runs".to_owned()).unwrap();
                pool.try_submit("waits".to_owned()).unwrap();
                let refused = pool.try_submit("comes back".to_owned()).unwrap_err();
                assert_eq!(refused.reason(), Reason::Full);
                assert_eq!(format!("{refused}"), "job not accepted: the pool is full");
                assert_eq!(refused.into_job(), "comes back");
                gate.open();
                pool.close(LONG) $($wait)* .unwrap();
            }

            #[$test]
            $($async)? fn a_submitter_whose_time_is_over_has_its_job_back() {
                let gate = $gate::new();
                let held = gate.clone();
                let pool = FuncPool::builder().capacity(1).queue(0).build(move |_: u32| {
                    let held = held.clone();
                    $run!({ held.pass() $($wait)*; })
                });
                pool.submit(1) $($wait)* .unwrap();
                for limit in [Duration::ZERO, Duration::from_millis(1)] {
                    let late = pool.submit_timeout(2, limit) $($wait)* .unwrap_err();
                    assert_eq!(late.reason(), Reason::Timeout(limit));
                    assert_eq!(late.into_job(), 2);
                }
                assert_eq!(pool.stats().waiting, 0);
                gate.open();
                // It lost no place.
                pool.submit(3) $($wait)* .unwrap();
                pool.close(LONG) $($wait)* .unwrap();
                assert_eq!((pool.stats().ran, pool.stats().rejected), (2, 2));
            }

            #[$test]
            $($async)? fn close_runs_what_was_accepted_and_nothing_after() {
                let pool = Pool::builder().capacity(1).queue(100).build();
                let ran = Arc::new(AtomicUsize::new(0));
                for _ in 0..100 {
                    let ran = Arc::clone(&ran);
                    pool.try_submit($job!({ ran.fetch_add(1, SeqCst); })).unwrap();
                }
                pool.close(LONG) $($wait)* .unwrap();
                assert_eq!(ran.load(SeqCst), 100);
                assert_eq!(pool.stats().workers, 0);
                let refused = pool.submit($job!({})) $($wait)* .unwrap_err();
                assert_eq!(refused.reason(), Reason::Closed);
                let refused = pool.try_submit($job!({})).unwrap_err();
                assert_eq!(refused.reason(), Reason::Closed);
                let refused = pool.submit_timeout($job!({}), LONG) $($wait)* .unwrap_err();
                assert_eq!(refused.reason(), Reason::Closed);
                assert_eq!(pool.stats().rejected, 3);
            }

            #[$test]
            $($async)? fn a_close_that_is_late_says_what_is_left_and_is_not_taken_back() {
                let pool = Pool::builder().capacity(1).queue(1).build();
                let gate = $gate::new();
                for _ in 0..2 {
                    let held = gate.clone();
                    pool.try_submit($job!({ held.pass() $($wait)*; })).unwrap();
                }
                gate.reached() $($wait)*;
                assert_eq!(
                    pool.close(Duration::ZERO) $($wait)*,
                    Err(CloseError::Timeout { running: 1, queued: 1 })
                );
                assert_eq!(pool.close(LONG) $($wait)*, Err(CloseError::AlreadyClosed));
                let refused = pool.try_submit($job!({})).unwrap_err();
                assert_eq!(refused.reason(), Reason::Closed);
                gate.open();
            }

            #[$test]
            $($async)? fn a_panic_costs_no_worker_and_is_counted() {
                let heard = Arc::new(AtomicUsize::new(0));
                let hears = Arc::clone(&heard);
                let pool = Pool::builder()
                    .name("brittle")
                    .capacity(1)
                    .panic_handler(move |info| {
                        assert_eq!((info.pool, info.message()), ("brittle", Some("on purpose")));
                        hears.fetch_add(1, SeqCst);
                        panic!("the handler too");
                    })
                    .build();
                let ran = Arc::new(AtomicUsize::new(0));
                for _ in 0..5 {
                    let ran = Arc::clone(&ran);
                    pool.submit($job!({ panic!("on purpose") })) $($wait)* .unwrap();
                    pool.submit($job!({ ran.fetch_add(1, SeqCst); })) $($wait)* .unwrap();
                }
                assert_eq!(pool.stats().workers, 1);
                pool.close(LONG) $($wait)* .unwrap();
                assert_eq!((ran.load(SeqCst), heard.load(SeqCst)), (5, 5));
                let stats = pool.stats();
                assert_eq!((stats.submitted, stats.ran, stats.panicked), (10, 5, 5));
            }

            #[$test]
            $($async)? fn every_job_has_its_delay_counted() {
                let pool = FuncPool::builder().capacity(3).queue(7).build(|_: u32| $run!({}));
                for job in 0..1000 {
                    pool.submit(job) $($wait)* .unwrap();
                }
                pool.close(LONG) $($wait)* .unwrap();
                for figures in [pool.delay(), pool.blocked(), pool.run_time()] {
                    assert_eq!(figures.count, 1000);
                    assert!(figures.p50 <= figures.p99 && figures.p99 <= figures.max);
                }
            }

            #[$test]
            $($async)? fn a_dropped_pool_runs_what_it_accepted() {
                let pool = Pool::builder().capacity(1).queue(1).build();
                let (gate, done) = ($gate::new(), $gate::new());
                let (held, finishes) = (gate.clone(), done.clone());
                pool.try_submit($job!({ held.pass() $($wait)*; })).unwrap();
                pool.try_submit($job!({ finishes.open(); })).unwrap();
                drop(pool);
                gate.open();
                done.pass() $($wait)*;
            }

            #[test]
            #[should_panic(expected = "without capacity")]
            fn a_capacity_of_0_is_refused() {
                let _ = Pool::new(0);
            }
        }
    };
}

macro_rules! closure {
    ($body:block) => {
        move || $body
    };
}

macro_rules! block {
    ($body:block) => {
        $body
    };
}

/// Closed until it is opened, then for ever open; knows who has come to it.
#[derive(Clone)]
struct Gate(Arc<(std::sync::Mutex<(bool, bool)>, std::sync::Condvar)>);

impl Gate {
    fn new() -> Self {
        Self(Arc::default())
    }
    fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }
    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.1 = true;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.0).unwrap());
    }
    fn reached(&self) {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |state| !state.1).unwrap());
    }
}

conformance!(threads, test, [], [], closure, block, Gate);

/// Closing while threads are blocked in submit gives each its own job back.
#[test]
fn threads_blocked_in_submit_have_their_jobs_back_when_it_closes() {
    use pool_worker::threads::FuncPool;
    let gate = Gate::new();
    let held = gate.clone();
    let pool = FuncPool::builder()
        .capacity(1)
        .queue(0)
        .build(move |_: u32| held.pass());
    pool.submit(0).unwrap();
    std::thread::scope(|scope| {
        let blocked: Vec<_> = (1..4)
            .map(|job| {
                let pool = &pool;
                scope.spawn(move || (job, pool.submit(job).unwrap_err()))
            })
            .collect();
        while pool.stats().waiting < 3 {
            std::thread::yield_now();
        }
        assert!(pool.close(Duration::ZERO).is_err());
        for blocked in blocked {
            let (job, error) = blocked.join().unwrap();
            assert_eq!((error.reason(), error.into_job()), (Reason::Closed, job));
        }
    });
    gate.open();
}

#[cfg(feature = "tokio")]
macro_rules! future {
    ($body:block) => {
        async move { $body }
    };
}

#[cfg(feature = "tokio")]
use over_tokio::TaskGate;

#[cfg(feature = "tokio")]
conformance!(tasks, tokio::test(start_paused = true), [async], [.await], future, future, TaskGate);

#[cfg(feature = "tokio")]
mod over_tokio {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use pool_worker::tasks::FuncPool;
    use tokio::sync::watch;

    /// As [`super::Gate`], to be awaited.
    #[derive(Clone)]
    pub(super) struct TaskGate(Arc<watch::Sender<(bool, bool)>>);

    impl TaskGate {
        pub(super) fn new() -> Self {
            Self(Arc::new(watch::Sender::new((false, false))))
        }
        pub(super) fn open(&self) {
            self.0.send_modify(|state| state.0 = true);
        }
        pub(super) async fn pass(&self) {
            self.0.send_modify(|state| state.1 = true);
            self.0.subscribe().wait_for(|state| state.0).await.unwrap();
        }
        pub(super) async fn reached(&self) {
            self.0.subscribe().wait_for(|state| state.1).await.unwrap();
        }
    }

    /// A pool of one, whose jobs wait at the gate.
    fn held_pool(gate: &TaskGate) -> FuncPool<u32> {
        let held = gate.clone();
        FuncPool::builder().capacity(1).queue(0).build(move |_| {
            let held = held.clone();
            async move { held.pass().await }
        })
    }

    #[tokio::test]
    async fn a_dropped_submission_loses_no_place() {
        let gate = TaskGate::new();
        let pool = held_pool(&gate);
        pool.submit(1).await.unwrap();
        {
            let mut cx = Context::from_waker(Waker::noop());
            let mut first = pin!(pool.submit(2));
            assert!(first.as_mut().poll(&mut cx).is_pending());
            assert_eq!(pool.stats().waiting, 1);
        }
        assert_eq!(pool.stats().waiting, 0);
        gate.open();
        pool.submit(3).await.unwrap();
        pool.close(LONG).await.unwrap();
        assert_eq!((pool.stats().ran, pool.stats().rejected), (2, 1));
    }

    #[tokio::test]
    async fn a_submission_dropped_after_it_was_granted_is_run() {
        let gate = TaskGate::new();
        let pool = held_pool(&gate);
        pool.submit(1).await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut granted = Box::pin(pool.submit(2));
        assert!(granted.as_mut().poll(&mut cx).is_pending());
        gate.open();
        while pool.stats().waiting > 0 {
            tokio::task::yield_now().await;
        }
        drop(granted);
        pool.close(LONG).await.unwrap();
        assert_eq!((pool.stats().ran, pool.stats().rejected), (2, 0));
    }

    #[tokio::test]
    async fn those_who_wait_to_submit_have_their_jobs_back_when_it_closes() {
        let gate = TaskGate::new();
        let pool = held_pool(&gate);
        pool.submit(1).await.unwrap();
        let (blocked, late) = tokio::join!(pool.submit(2), pool.close(Duration::ZERO));
        let blocked = blocked.unwrap_err();
        assert_eq!((blocked.reason(), blocked.into_job()), (Reason::Closed, 2));
        assert!(matches!(
            late,
            Err(CloseError::Timeout {
                running: 1,
                queued: 0
            })
        ));
        gate.open();
    }

    #[test]
    fn a_runtime_that_goes_gives_the_places_back_and_close_does_not_hang() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
        };
        let gate = TaskGate::new();
        let held = gate.clone();
        let pool = FuncPool::builder()
            .capacity(1)
            .queue(1)
            .build(move |_: u32| {
                let held = held.clone();
                async move { held.pass().await }
            });
        let first = runtime().unwrap();
        first.block_on(async {
            pool.submit(1).await.unwrap();
            pool.submit(2).await.unwrap();
            gate.reached().await;
        });
        let mut waits = Box::pin(pool.submit(3));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut cx).is_pending());
        drop(first);
        let stats = pool.stats();
        assert_eq!(
            (stats.dropped, stats.queued, stats.running, stats.workers),
            (2, 0, 0, 0)
        );
        gate.open();
        runtime().unwrap().block_on(async {
            // It starts a worker of its own.
            waits.await.unwrap();
            assert_eq!(
                pool.close(LONG).await,
                Err(CloseError::Dropped { dropped: 2 })
            );
        });
        assert_eq!(pool.stats().ran, 1);
    }
}
