//! The worker pools: tiny jobs of three words, each marks its own slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_worker::{tasks, threads};
use tokio::sync::Semaphore;

use crate::contestant::{Amount, Case, Contestant, Lost, Turn, Unit};
use crate::process::Process;
use crate::runtime::{in_runtime, runtime};
use crate::slots::{Ledger, Slots};

const WORKERS: usize = 2;
/// Jobs that may wait, where a pool has a bound.
const QUEUE: usize = 1024;

/// The worker case of this name.
#[must_use]
pub fn case(name: &'static str) -> Option<Case> {
    let (what, contestants) = match name {
        "worker/threads/pool" => (
            "submit and run a closure; one submitter, 2 threads",
            thread_pools(1),
        ),
        "worker/threads/pool/4s" => ("the same, 4 submitters", thread_pools(4)),
        "worker/threads/func" => (
            "submit and run a typed argument; one submitter, 2 threads",
            thread_funcs(),
        ),
        "worker/threads/wake" => (
            "submit to start; the pool is idle",
            any_closure().map(|(who, submit)| wakes(who, submit)).into(),
        ),
        "worker/threads/trickle" => return Some(trickle()),
        "worker/delay_cost" => (
            "submit and run a typed argument; what recording its delay costs",
            delay_cost(),
        ),
        "worker/tasks/pool" => (
            "submit and run a future; one submitter, 2 tasks",
            task_pools(),
        ),
        "worker/tasks/func" => (
            "submit and run a typed argument; one submitter, 2 tasks",
            task_funcs(),
        ),
        _ => return None,
    };
    let case = Case::timed(name, what, contestants);
    Some(match name {
        // By where the kernel puts a thread it wakes at once or late: of both in each turn.
        "worker/threads/wake" => Case {
            amount: Amount::Fill(3),
            ..case
        },
        _ => case,
    })
}

/// Submits jobs to a pool of threads that stays from turn to turn.
fn submits(
    who: &str,
    submitters: usize,
    submit: impl Fn(Slots, usize) + Sync + 'static,
) -> Contestant {
    let mut ledger = Ledger::default();
    Contestant::new(who, move |count| {
        let submit = &submit;
        ledger.with(count, |slots| {
            let jobs = usize::try_from(count).expect("fits the memory");
            let start = Instant::now();
            if submitters == 1 {
                (0..jobs).for_each(|at| submit(slots, at));
            } else {
                std::thread::scope(|scope| {
                    for first in 0..submitters {
                        scope.spawn(move || {
                            (first..jobs)
                                .step_by(submitters)
                                .for_each(|at| submit(slots, at));
                        });
                    }
                });
            }
            slots.wait();
            start.elapsed()
        })
    })
}

fn thread_pools(submitters: usize) -> Vec<Contestant> {
    let ours = threads::Pool::builder()
        .capacity(WORKERS)
        .queue(QUEUE)
        .build();
    let threadpool = threadpool::ThreadPool::new(WORKERS);
    // It is not to be shared, so each submitter has a clone to itself.
    let threadpools: Vec<_> = (0..submitters)
        .map(|_| std::sync::Mutex::new(threadpool.clone()))
        .collect();
    let rusty = rusty_pool::ThreadPool::new(WORKERS, WORKERS, Duration::from_secs(60));
    let rayon = rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .build()
        .expect("threads");
    let (send, receive) = crossbeam::channel::unbounded::<Box<dyn FnOnce() + Send>>();
    run_all(&receive, |job| job());
    vec![
        submits("ours", submitters, move |slots, at| {
            assert!(
                ours.submit(move || slots.mark(at)).is_ok(),
                "the pool is open"
            );
        }),
        submits("rusty_pool", submitters, move |slots, at| {
            rusty.execute(move || slots.mark(at));
        }),
        submits("rayon", submitters, move |slots, at| {
            rayon.spawn(move || slots.mark(at));
        }),
        submits("crossbeam-channel", submitters, move |slots, at| {
            send.send(Box::new(move || slots.mark(at)))
                .expect("the threads go on");
        }),
        submits("threadpool", submitters, move |slots, at| {
            let own = threadpools[at % submitters].lock();
            let own = own.expect("no one panics");
            own.execute(move || slots.mark(at));
        }),
    ]
}

fn thread_funcs() -> Vec<Contestant> {
    let ours = threads::FuncPool::builder()
        .capacity(WORKERS)
        .queue(QUEUE)
        .build(|(slots, at): (Slots, usize)| slots.mark(at));
    let (send, receive) = crossbeam::channel::bounded::<(Slots, usize)>(QUEUE);
    run_all(&receive, |(slots, at)| slots.mark(at));
    vec![
        submits("ours", 1, move |slots, at| {
            assert!(ours.submit((slots, at)).is_ok(), "the pool is open");
        }),
        submits("crossbeam-channel", 1, move |slots, at| {
            send.send((slots, at)).expect("the threads go on");
        }),
    ]
}

/// Ours against itself: the difference is what the recording costs.
fn delay_cost() -> Vec<Contestant> {
    let ours = |who, record| {
        let pool = threads::FuncPool::builder()
            .capacity(WORKERS)
            .queue(QUEUE)
            .record_delay(record)
            .build(|(slots, at): (Slots, usize)| slots.mark(at));
        submits(who, 1, move |slots, at| {
            assert!(pool.submit((slots, at)).is_ok(), "the pool is open");
        })
    };
    vec![ours("ours", true), ours("ours:unrecorded", false).aside()]
}

/// Threads that run what comes through a channel, until it is closed.
fn run_all<T: Send + 'static>(receive: &crossbeam::channel::Receiver<T>, run: fn(T)) {
    for _ in 0..WORKERS {
        let receive = receive.clone();
        std::thread::spawn(move || receive.into_iter().for_each(run));
    }
}

/// Submits a job at a time to an idle pool, and takes the time to its start.
fn wakes(who: &str, submit: Submit) -> Contestant {
    Contestant::new(who, move |count| {
        let (send, receive) = std::sync::mpsc::channel();
        let mut total = Duration::ZERO;
        for _ in 0..count {
            // Long enough for the workers to go to sleep.
            std::thread::sleep(Duration::from_micros(50));
            let send = send.clone();
            let submitted = Instant::now();
            submit(Box::new(move || {
                send.send(Instant::now()).expect("is waited for");
            }));
            total += receive.recv().expect("the job runs") - submitted;
        }
        Ok(total)
    })
}

/// One job a millisecond: what the processors spend on it, and on an idle pool.
fn trickle() -> Case {
    let nobody: Submit = Box::new(|job| job());
    let mut contestants: Vec<_> = any_closure()
        .map(|(who, submit)| trickles(who, submit))
        .into();
    contestants.push(trickles("no pool", nobody).aside());
    Case {
        name: "worker/threads/trickle",
        what: "processor time of a job and its submitter, one job a millisecond",
        unit: Unit::Nanos,
        beside: &["idle_us"],
        amount: Amount::Fixed {
            operations: 200,
            turns: 15,
            quick: 5,
        },
        contestants,
    }
}

/// Submits a job each millisecond, then leaves the pool alone for a tenth of a second.
fn trickles(who: &str, submit: Submit) -> Contestant {
    Contestant::measured(who, move |count| {
        let cpu = || {
            Process::this()
                .cpu()
                .map_err(|error| Lost(error.to_string()))
        };
        let (send, receive) = std::sync::mpsc::channel();
        let before = cpu()?;
        for _ in 0..count {
            std::thread::sleep(Duration::from_millis(1));
            let send = send.clone();
            submit(Box::new(move || send.send(()).expect("is waited for")));
        }
        (0..count).for_each(|_| receive.recv().expect("the job runs"));
        let spent = cpu()? - before;
        // Until the last one to look for a job sleeps.
        std::thread::sleep(Duration::from_millis(10));
        let before = cpu()?;
        std::thread::sleep(Duration::from_millis(100));
        let idle = cpu()? - before;
        Ok(Turn {
            value: spent.as_secs_f64() * 1e9 / count as f64,
            beside: vec![idle.as_secs_f64() * 1e6],
        })
    })
}

type Submit = Box<dyn Fn(Box<dyn FnOnce() + Send>)>;

/// The pools of threads that take any closure; ours first.
fn any_closure() -> [(&'static str, Submit); 5] {
    let ours = threads::Pool::builder()
        .capacity(WORKERS)
        .queue(QUEUE)
        .build();
    let threadpool = threadpool::ThreadPool::new(WORKERS);
    let rusty = rusty_pool::ThreadPool::new(WORKERS, WORKERS, Duration::from_secs(60));
    let rayon = rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .build()
        .expect("threads");
    let (send, receive) = crossbeam::channel::unbounded::<Box<dyn FnOnce() + Send>>();
    run_all(&receive, |job| job());
    [
        (
            "ours",
            Box::new(move |job| assert!(ours.submit(job).is_ok(), "the pool is open")),
        ),
        ("threadpool", Box::new(move |job| threadpool.execute(job))),
        ("rusty_pool", Box::new(move |job| rusty.execute(job))),
        ("rayon", Box::new(move |job| rayon.spawn(job))),
        (
            "crossbeam-channel",
            Box::new(move |job| send.send(job).expect("the threads go on")),
        ),
    ]
}

fn task_pools() -> Vec<Contestant> {
    let _guard = runtime().enter();
    let ours = Arc::new(
        tasks::Pool::builder()
            .capacity(WORKERS)
            .queue(QUEUE)
            .build(),
    );
    let (send, receive) = async_channel::bounded::<futures::future::BoxFuture<'static, ()>>(QUEUE);
    for _ in 0..WORKERS {
        let receive = receive.clone();
        tokio::spawn(async move {
            while let Ok(job) = receive.recv().await {
                job.await;
            }
        });
    }
    let limit = Arc::new(Semaphore::new(WORKERS));
    vec![
        in_runtime("ours", move |slots, jobs| {
            let ours = Arc::clone(&ours);
            async move {
                for at in 0..jobs {
                    let submitted = ours.submit(async move { slots.mark(at) }).await;
                    assert!(submitted.is_ok(), "the pool is open");
                }
            }
        }),
        in_runtime("async-channel", move |slots, jobs| {
            let send = send.clone();
            async move {
                for at in 0..jobs {
                    let job = Box::pin(async move { slots.mark(at) });
                    assert!(send.send(job).await.is_ok(), "the tasks go on");
                }
            }
        }),
        in_runtime("semaphore+spawn", move |slots, jobs| {
            let limit = Arc::clone(&limit);
            async move {
                for at in 0..jobs {
                    let permit = Arc::clone(&limit).acquire_owned().await;
                    let permit = permit.expect("is never closed");
                    tokio::spawn(async move {
                        slots.mark(at);
                        drop(permit);
                    });
                }
            }
        }),
        in_runtime("tokio::spawn", |slots, jobs| async move {
            for at in 0..jobs {
                tokio::spawn(async move { slots.mark(at) });
            }
        }),
    ]
}

fn task_funcs() -> Vec<Contestant> {
    let _guard = runtime().enter();
    let ours = tasks::FuncPool::builder()
        .capacity(WORKERS)
        .queue(QUEUE)
        .build(|(slots, at): (Slots, usize)| async move { slots.mark(at) });
    let ours = Arc::new(ours);
    let (send, receive) = async_channel::bounded::<(Slots, usize)>(QUEUE);
    for _ in 0..WORKERS {
        let receive = receive.clone();
        tokio::spawn(async move {
            while let Ok((slots, at)) = receive.recv().await {
                slots.mark(at);
            }
        });
    }
    vec![
        in_runtime("ours", move |slots, jobs| {
            let ours = Arc::clone(&ours);
            async move {
                for at in 0..jobs {
                    assert!(ours.submit((slots, at)).await.is_ok(), "the pool is open");
                }
            }
        }),
        in_runtime("async-channel", move |slots, jobs| {
            let send = send.clone();
            async move {
                for at in 0..jobs {
                    assert!(send.send((slots, at)).await.is_ok(), "the tasks go on");
                }
            }
        }),
    ]
}
