//! What goes without being told to.

use pool_object::{Pool, static_pool};
use std::{sync::Barrier, thread, time::Duration};

/// Another thread keeps 20 objects and sleeps while `busy` runs; then the figures.
fn beside_a_sleeper(pool: &Pool<u8>, busy: impl FnOnce()) -> pool_object::Stats {
    let (kept, done) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            drop([(); 20].map(|()| pool.get()));
            kept.wait();
            done.wait();
        });
        kept.wait();
        busy();
        let stats = pool.stats();
        done.wait();
        stats
    })
}

#[test]
fn a_pool_trims_itself_by_age_while_others_use_it() {
    let pool = Pool::from_fn(|| 0).trim_every(Duration::ZERO);
    let hits = || (0..10_000).for_each(|_| drop(pool.get()));
    let stats = beside_a_sleeper(&pool, hits);
    assert_eq!((stats.idle, stats.dropped.aged), (1, 20));
}

#[test]
fn a_trim_keeps_what_came_back_since_a_clear_or_a_trim_emptied_the_slot() {
    let pool = Pool::new(|| 0);
    drop(pool.get());
    pool.clear();
    drop(pool.get());
    pool.trim();
    assert_eq!(pool.stats().idle, 1, "in the slot since the clear");
    pool.trim();
    assert_eq!(pool.stats().idle, 0);
    drop(pool.get());
    pool.trim();
    assert_eq!(pool.stats().idle, 1, "in the slot since the trim");
}

#[test]
fn nor_does_it_drop_what_came_back_to_a_static_pools_front() {
    static_pool! {
        static FRONTED: Pool<u8> = Pool::from_fn(|| 0);
    }
    // Once for the front to open.
    drop(FRONTED.get());
    FRONTED.clear();
    for _ in 0..3 {
        drop(FRONTED.get());
        FRONTED.trim();
        assert_eq!(FRONTED.stats().idle, 1, "used since the trim before");
        FRONTED.trim();
        assert_eq!(FRONTED.stats().idle, 0);
    }
}

#[test]
fn nothing_goes_before_its_time() {
    let pool = Pool::from_fn(|| 0).trim_every(Duration::MAX);
    let hits = || (0..10_000).for_each(|_| drop(pool.get()));
    assert_eq!(beside_a_sleeper(&pool, hits).dropped.aged, 0);
}

#[test]
fn a_trim_by_hand_starts_the_period_anew() {
    let pool = Pool::from_fn(|| 0).trim_every(Duration::ZERO);
    pool.prewarm(20);
    pool.trim();
    // The next look at the time does not only start the clock.
    let (one, other) = (pool.get(), pool.get());
    assert_eq!(pool.stats().dropped.aged, 20);
    drop((one, other));
}

#[test]
fn the_time_is_looked_at_now_and_then_by_hits_in_the_slot_and_past_it() {
    for at_once in [1, 20] {
        let pool = Pool::from_fn(|| 0).trim_every(Duration::ZERO);
        let hits = |hits| {
            for _ in 0..hits / at_once {
                drop((0..at_once).map(|_| pool.get()).collect::<Vec<_>>());
            }
        };
        hits(20);
        pool.prewarm(5);
        hits(60);
        assert_eq!(pool.stats().dropped.aged, 0);
        hits(400);
        assert_eq!(pool.stats().dropped.aged, 5);
        assert_eq!(pool.stats().idle, at_once);
    }
}

/// Drops more objects for lack of places than are looked at in a row.
fn overflow(pool: &Pool<u8>) {
    for _ in 0..10 {
        drop([(); 100].map(|()| pool.get()));
    }
}

#[test]
fn where_places_run_short_what_a_sleeper_keeps_makes_way() {
    let pool = Pool::from_fn(|| 0)
        .max_idle(100)
        .trim_when_full(Duration::ZERO);
    let stats = beside_a_sleeper(&pool, || {
        overflow(&pool);
        // What the busy thread keeps takes the sleeper's places.
        drop([(); 100].map(|()| pool.get()));
    });
    assert!(stats.dropped.aged >= 20, "{stats:?}");
    assert!(stats.idle > 90, "{stats:?}");
}

#[test]
fn where_places_run_short_nothing_goes_before_its_time() {
    let pool = Pool::from_fn(|| 0)
        .max_idle(100)
        .trim_when_full(Duration::MAX);
    let stats = beside_a_sleeper(&pool, || overflow(&pool));
    assert!(stats.dropped.full > 64, "{stats:?}");
    assert_eq!(stats.dropped.aged, 0);
}

#[test]
fn a_static_pool_looks_at_the_time_too() {
    static_pool! {
        static AGED: Pool<u8> = Pool::from_fn(|| 0).trim_every(Duration::ZERO);
    }
    let hits = || (0..10_000).for_each(|_| drop(AGED.get()));
    let stats = beside_a_sleeper(&AGED, hits);
    assert_eq!((stats.idle, stats.dropped.aged), (1, 20));
}
