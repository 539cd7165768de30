//! What is dropped while it is idle, by hand.

mod tracked;

use pool_object::Pool;
use std::{
    sync::{Arc, Barrier, atomic::Ordering},
    thread,
};
use tracked::Tracked;

#[test]
fn clear_drops_what_is_idle_also_with_threads_that_sleep() {
    let alive = Arc::default();
    let pool = Pool::new(|| Tracked::new(&alive));
    let out: Vec<_> = (0..100).map(|_| pool.get()).collect();
    let kept = pool.get();
    drop(out);
    let (cached, cleared) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            drop([pool.get(), pool.get()]);
            cached.wait();
            cleared.wait();
            assert!(pool.try_get().is_none());
        });
        cached.wait();
        pool.clear();
        assert_eq!((alive.load(Ordering::Relaxed), pool.stats().idle), (1, 0));
        cleared.wait();
    });
    drop(kept);
    pool.clear();
    assert_eq!((alive.load(Ordering::Relaxed), pool.stats().idle), (0, 0));
}

#[test]
fn trim_reaches_what_a_sleeping_thread_did_not_use() {
    let pool = Pool::new(|| 0);
    let (cached, trimmed) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            drop([(); 10].map(|()| pool.get()));
            cached.wait();
            trimmed.wait();
        });
        cached.wait();
        pool.trim();
        assert_eq!(
            pool.stats().idle,
            10,
            "used since the trim before, of which is none"
        );
        pool.trim();
        assert_eq!((pool.stats().idle, pool.stats().dropped.aged), (0, 10));
        trimmed.wait();
    });
}

#[test]
fn trim_drops_what_two_trims_in_a_row_found_unused() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..500).map(|_| pool.get()).collect();
    drop(out);
    pool.trim();
    assert_eq!(pool.stats().idle, 500, "used since the trim before");
    let out: Vec<_> = (0..300).map(|_| pool.get()).collect();
    drop(out);
    pool.trim();
    let idle = pool.stats().idle;
    assert!((300..=340).contains(&idle), "the 300 in use stay: {idle}");
    pool.trim();
    pool.trim();
    assert_eq!(pool.stats().idle, 0);
}
