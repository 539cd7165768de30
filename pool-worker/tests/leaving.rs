//! Workers that leave, and take their time: they are at their stop hook.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use pool_worker::{Reason, tasks, threads};

mod gate;

use gate::{Job, LONG, gated, until};

/// For the first worker that ends: fills the pool, by the first, and submits to it, by the
/// second, which would wait. What comes of that.
macro_rules! submitted_in_a_stop_hook {
    ($engine:ident, $try_submit:expr, $submit:expr) => {{
        let pool = Arc::new(OnceLock::<Arc<$engine::Pool>>::new());
        let (inside, once) = (Arc::clone(&pool), AtomicUsize::new(0));
        let (tell, told) = channel();
        let hook = move |_: &str| {
            if once.fetch_add(1, SeqCst) == 0 {
                let pool = inside.wait();
                let (gate, job) = gated();
                $try_submit(pool, job).unwrap();
                let refused = $submit(pool).map_err(|e| e.reason());
                tell.send(refused).unwrap();
                drop(gate);
            }
        };
        let builder = $engine::Pool::builder().capacity(2).queue(0).prestart(2);
        let built = Arc::new(builder.on_worker_stop(hook).build());
        pool.set(Arc::clone(&built)).unwrap();
        built.set_capacity(1);
        let refused = told.recv_timeout(LONG).unwrap();
        (built, refused)
    }};
}

#[test]
fn a_stop_hook_does_not_wait_for_its_own_pool() {
    let (pool, refused) = submitted_in_a_stop_hook!(
        threads,
        |pool: &threads::Pool, job| pool.try_submit(job),
        |pool: &threads::Pool| pool.submit(|| ())
    );
    assert_eq!(refused, Err(Reason::Nested));
    pool.close(LONG).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stop_hook_of_a_task_does_not_wait_for_its_own_pool() {
    let (pool, refused) = submitted_in_a_stop_hook!(
        tasks,
        |pool: &tasks::Pool, job: Job| pool.try_submit(async { job() }),
        |pool: &tasks::Pool| pool.submit_blocking(async {})
    );
    assert_eq!(refused, Err(Reason::Nested));
    pool.close(LONG).await.unwrap();
}

/// A hook that on the first worker tells that it is there, and waits for its gate.
fn waits_on_the_first() -> (Sender<()>, impl Fn(&str) + Send + Sync, Receiver<()>) {
    let ((gate, closed), (tell, told)) = (channel::<()>(), channel());
    let first = Mutex::new(Some((tell, closed)));
    let hook = move |_: &str| {
        let first = first.lock().unwrap().take();
        if let Some((tell, closed)) = first {
            tell.send(()).unwrap();
            closed.recv().unwrap_err();
        }
    };
    (gate, hook, told)
}

#[test]
fn a_job_does_not_wait_for_a_worker_that_leaves() {
    let (gate, hook, leaving) = waits_on_the_first();
    let builder = threads::Pool::builder().capacity(2).queue(0).prestart(2);
    let pool = builder.on_worker_stop(hook).build();
    pool.set_capacity(1);
    leaving.recv_timeout(LONG).unwrap();
    pool.set_capacity(2);
    let (busy, job) = gated();
    pool.submit(job).unwrap();
    until(|| pool.stats().running == 1);
    let (tell, told) = channel();
    pool.try_submit(move || tell.send(()).unwrap()).unwrap();
    told.recv_timeout(LONG).unwrap();
    assert_eq!(pool.stats().workers, 3, "one of them leaves");
    drop(gate);
    until(|| pool.stats().workers == 2);
    drop(busy);
    pool.close(LONG).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_does_not_wait_for_a_task_that_leaves() {
    let (gate, hook, leaving) = waits_on_the_first();
    let builder = tasks::Pool::builder().capacity(2).queue(0).prestart(2);
    let pool = builder.on_worker_stop(hook).build();
    pool.set_capacity(1);
    leaving.recv_timeout(LONG).unwrap();
    pool.set_capacity(2);
    let (busy, job) = gated();
    pool.try_submit(async { job() }).unwrap();
    until(|| pool.stats().running == 1);
    let (tell, told) = channel();
    pool.try_submit(async move { tell.send(()).unwrap() })
        .unwrap();
    told.recv_timeout(LONG).unwrap();
    assert_eq!(pool.stats().workers, 3, "one of them leaves");
    drop(gate);
    until(|| pool.stats().workers == 2);
    drop(busy);
    pool.close(LONG).await.unwrap();
}
