//! How much may be idle.

mod tracked;

use pool_object::{Guard, Policy, Pool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Barrier, atomic::Ordering},
    thread,
};
use tracked::Tracked;

#[test]
fn the_bound_is_met_and_kept_for_every_size() {
    for bound in [0, 1, 2, 3, 7, 8, 33, 100, 1000] {
        let pool = Pool::new(|| 0u64).max_idle(bound);
        let out: Vec<_> = (0..bound + 5).map(|_| pool.get()).collect();
        drop(out);
        let stats = pool.stats();
        assert_eq!(
            (stats.idle, stats.dropped.full),
            (bound as u64, 5),
            "{bound}"
        );
        let again: Vec<_> = std::iter::from_fn(|| pool.try_get()).collect();
        assert_eq!(again.len(), bound, "all of them are within reach");
    }
}

#[test]
fn the_bound_holds_over_all_threads() {
    const THREADS: usize = 16;
    let alive = Arc::default();
    let pool = Pool::new(|| Tracked::new(&alive)).max_idle(64);
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..20 {
                    let out: Vec<_> = (0..50).map(|_| pool.get()).collect();
                    barrier.wait();
                    drop(out);
                    // Everything is back: what is alive is idle.
                    barrier.wait();
                    assert!(alive.load(Ordering::Relaxed) <= 64);
                    assert_eq!(pool.stats().idle as usize, alive.load(Ordering::Relaxed));
                    barrier.wait();
                }
            });
        }
    });
}

#[test]
fn the_bound_can_be_changed_while_in_use() {
    let alive = Arc::default();
    let pool = Pool::new(|| Tracked::new(&alive)).max_idle(400);
    let fill = || drop((0..1000).map(|_| pool.get()).collect::<Vec<_>>());
    fill();
    let full = pool.stats().idle;
    assert!((300..=400).contains(&full), "{full}");
    for bound in [350, 100, 20, 5, 200, 1000, 3] {
        pool.set_max_idle(bound);
        assert!(pool.stats().idle <= bound.max(1) as u64);
        fill();
        let idle = pool.stats().idle;
        assert!(idle <= bound.max(1) as u64, "{idle} of {bound}");
        assert!(idle >= bound as u64 / 2, "{idle} of {bound}");
        assert_eq!(alive.load(Ordering::Relaxed) as u64, idle);
    }
}

#[test]
fn weights_are_bounded_over_all_threads() {
    struct Sized;
    impl Policy<Vec<u8>> for Sized {
        fn create(&self) -> Vec<u8> {
            Vec::new()
        }
        fn weigh(&self, object: &Vec<u8>) -> usize {
            object.capacity()
        }
    }
    const BOUND: usize = 100_000;
    let pool = Pool::new(Sized).max_idle(BOUND);
    let (ready, go) = (Barrier::new(9), Barrier::new(9));
    thread::scope(|scope| {
        let threads = [1, 2, 3, 4, 5, 6, 7, 8].map(|size| {
            let (pool, ready, go) = (&pool, &ready, &go);
            scope.spawn(move || {
                for round in 0..50 {
                    let mut out: Vec<_> = (0..20).map(|_| pool.get()).collect();
                    for (i, object) in out.iter_mut().enumerate() {
                        object.reserve_exact(size * 100 + i * 10 + round);
                    }
                }
                ready.wait();
                go.wait();
            })
        });
        ready.wait();
        let stats = pool.stats();
        assert!(stats.idle_weight <= BOUND as u64, "{stats:?}");
        assert!(stats.idle_weight > BOUND as u64 / 4, "{stats:?}");
        go.wait();
        // A scope does not wait for what the threads do as they end.
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    let stats = pool.stats();
    let mut found = 0;
    while let Some(object) = pool.try_get() {
        found += Guard::detach(object).capacity();
    }
    assert!(
        found <= BOUND && found as u64 <= stats.idle_weight,
        "{found} {stats:?}"
    );
    assert_eq!((pool.stats().idle, pool.stats().idle_weight), (0, 0));
}

/// A number that weighs what it says.
struct Weighed;

impl Policy<usize> for Weighed {
    fn create(&self) -> usize {
        1
    }
    fn weigh(&self, object: &usize) -> usize {
        *object
    }
}

#[test]
fn what_is_dropped_for_the_bound_says_for_which_part_of_it() {
    let pool = Pool::new(Weighed).max_idle(100);
    pool.put(60);
    pool.put(60);
    let dropped = pool.stats().dropped;
    assert_eq!((dropped.byte_budget, dropped.full), (1, 0));
    (0..50).for_each(|_| pool.put(1));
    let dropped = pool.stats().dropped;
    assert_eq!((dropped.byte_budget, dropped.full), (1, 10));
    let idle = pool.stats().idle;
    pool.set_max_idle(0);
    let stats = pool.stats();
    assert_eq!(stats.dropped.lowered, idle - stats.idle);
    assert_eq!((stats.dropped.aged, stats.returned()), (0, idle));
    assert_eq!(stats.dropped.total(), 11 + stats.dropped.lowered);
}

/// Three threads hold places beyond the 20 objects of each.
#[test]
fn a_lower_bound_that_still_fits_drops_nothing_and_one_that_does_not_what_is_beyond() {
    let pool = Pool::new(|| 0).max_idle(100);
    let (pool, all) = (&pool, &Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                drop([(); 20].map(|()| pool.get()));
                all.wait();
                all.wait();
            });
        }
        all.wait();
        let idle = pool.stats().idle;
        assert!(idle > 50, "{idle}");
        for (bound, left) in [(70, idle), (40, 40), (2, 2), (0, 0)] {
            pool.set_max_idle(bound);
            assert_eq!(pool.stats().idle, left);
        }
        assert_eq!(pool.stats().dropped.lowered, idle);
        all.wait();
    });
}

#[test]
fn a_pool_that_was_used_is_not_given_a_bound_in_vain() {
    let pool = Pool::new(|| 0);
    drop(pool.get());
    let panicked = catch_unwind(AssertUnwindSafe(|| pool.max_idle(1)));
    let message = *panicked.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("set_max_idle"), "{message}");
}

#[test]
fn after_a_bound_was_lowered_a_heavy_slots_places_come_back() {
    let pool = Pool::new(Weighed).max_idle(1000);
    pool.put(100);
    pool.set_max_idle(10);
    // The thread may keep one of its heaviest until it finds nothing.
    pool.put(100);
    assert_eq!(pool.stats().idle_weight, 100);
    let (heavy, light) = (pool.get(), pool.get());
    assert_eq!((*heavy, *light), (100, 1));
    drop((heavy, light));
    assert_eq!((pool.stats().idle_weight, pool.stats().idle), (1, 1));
}

#[test]
fn what_weighs_more_than_can_be_counted_is_not_kept() {
    let pool = Pool::new(Weighed);
    pool.put(usize::MAX);
    pool.put(usize::MAX - 1);
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.idle_weight), (0, 0));
    assert_eq!(stats.dropped.total(), 2);
    // Nor does it take anything from the others.
    pool.put(1);
    assert_eq!((pool.stats().idle, *pool.get()), (1, 1));
}
