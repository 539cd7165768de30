//! A system that gives no thread, or not as many as are asked for: in a process of its
//! own, where stacks are so large that few of them, or none, fit into what it can address.
#![cfg(all(target_os = "linux", target_pointer_width = "64", not(loom_models)))]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pool_worker::overload::Control;
use pool_worker::threads::{ControlledPool, FuncPool, Pool};
use pool_worker::{Builder, ReopenReason};

mod gate;

use gate::{LONG, gated, until};

/// Few of these fit.
const LARGE: usize = 1 << 44;
/// None does.
const TOO_LARGE: usize = 1 << 47;

/// Runs the test of this name in a process that is told to be the child.
fn in_a_child(test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .env("POOL_WORKER_CHILD", "yes")
        .args(["--exact", test, "--test-threads=1", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("came to its end"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

fn is_child() -> bool {
    std::env::var_os("POOL_WORKER_CHILD").is_some()
}

/// Threads, as the system tells it.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn many(stack: usize) -> Builder<Pool> {
    let builder = Pool::builder().name("many").thread_stack_size(stack);
    builder.capacity(1000).queue(10).prestart(1000)
}

#[test]
fn a_pool_is_built_with_the_workers_that_the_system_gives() {
    if !is_child() {
        return in_a_child("a_pool_is_built_with_the_workers_that_the_system_gives");
    }
    let Ok(pool) = many(LARGE).try_build() else {
        // A system that gives none of these: see below.
        println!("came to its end");
        return;
    };
    let made = pool.stats().workers;
    assert!((1..1000).contains(&made), "{made} workers");
    println!("{made} workers");
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10_000 {
        let ran = Arc::clone(&ran);
        pool.submit(move || _ = ran.fetch_add(1, SeqCst)).unwrap();
    }
    pool.close(LONG).unwrap();
    assert_eq!((ran.load(SeqCst), pool.stats().workers), (10_000, 0));
    println!("came to its end");
}

#[test]
fn a_pool_without_a_thread_is_an_error_and_leaves_nothing() {
    if !is_child() {
        return in_a_child("a_pool_without_a_thread_is_an_error_and_leaves_nothing");
    }
    let before = threads();
    let held = Arc::new(());
    let error = many(TOO_LARGE).try_build().unwrap_err();
    assert_eq!(error.pool(), "many");
    assert!(std::error::Error::source(&error).is_some());

    let inside = Arc::clone(&held);
    let builder = FuncPool::builder().thread_stack_size(TOO_LARGE);
    let built = builder.try_build(move |()| _ = Arc::strong_count(&inside));
    assert!(built.is_err());
    assert_eq!((Arc::strong_count(&held), threads()), (1, before));

    // Each with a hold on `held`, as one that is left behind would have.
    let holds = || {
        let held = Arc::clone(&held);
        move || _ = Arc::strong_count(&held)
    };
    let builder = || FuncPool::builder().thread_stack_size(TOO_LARGE);
    let inside = holds();
    assert!(builder().try_build_calls(move |()| inside()).is_err());
    let (make, inside) = (holds(), holds());
    let built = builder().try_build_with_state(make, move |(): &mut (), ()| inside());
    assert!(built.is_err());
    let builder = || {
        ControlledPool::builder()
            .name("api")
            .thread_stack_size(TOO_LARGE)
    };
    let (inside, back) = (holds(), holds());
    let built = builder().try_build(Control::new(), move |()| inside(), move |_| back());
    assert_eq!(built.unwrap_err().pool(), "api");
    let inside = holds();
    let built = builder().try_build_calls(Control::new(), move |()| inside());
    assert!(built.is_err());
    let (make, inside, back) = (holds(), holds(), holds());
    let run = move |(): &mut (), ()| inside();
    let built = builder().try_build_with_state(Control::new(), make, run, move |_| back());
    assert!(built.is_err());
    assert_eq!((Arc::strong_count(&held), threads()), (1, before));

    let inside = Arc::clone(&held);
    let built = std::panic::catch_unwind(|| {
        let builder = FuncPool::builder().thread_stack_size(TOO_LARGE);
        builder.build(move |()| _ = Arc::strong_count(&inside))
    });
    assert!(built.is_err());
    assert_eq!((Arc::strong_count(&held), threads()), (1, before));
    println!("came to its end");
}

#[test]
fn a_pool_that_gets_no_thread_stays_closed_and_opens_later() {
    if !is_child() {
        return in_a_child("a_pool_that_gets_no_thread_stays_closed_and_opens_later");
    }
    let before = threads();
    if let Ok(pool) = many(LARGE).prestart(0).try_build() {
        pool.close(LONG).unwrap();
        until(|| threads() == before);
        let others = many(LARGE).try_build().unwrap();
        assert!(others.stats().workers < 1000);
        let error = pool.reopen().unwrap_err();
        assert_eq!(
            (error.pool(), error.reason()),
            ("many", ReopenReason::NoThread)
        );
        assert!(pool.is_closed() && pool.stats().workers == 0);
        assert!(pool.submit(|| ()).is_err());
        drop(others);
        until(|| threads() == before);
        pool.reopen().unwrap();
        let (gate, job) = gated();
        pool.submit(job).unwrap();
        until(|| pool.stats().running == 1);
        drop(gate);
        pool.close(LONG).unwrap();
    }
    println!("came to its end");
}
