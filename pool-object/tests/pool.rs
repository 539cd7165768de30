//! What a user of `Pool` sees.

use pool_object::{DEFAULT_MAX_IDLE, Guard, Policy, Pool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// An object that counts how many of its kind are alive.
struct Tracked(Arc<AtomicUsize>);

impl Tracked {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(alive))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn an_object_that_came_back_is_handed_out_again() {
    let pool = Pool::new(|| vec![0u8; 8]);
    let address = {
        let mut first = pool.get();
        first[3] = 7;
        first.as_ptr()
    };
    let second = pool.get();
    assert_eq!((second.as_ptr(), second[3]), (address, 7));
    let stats = pool.stats();
    assert_eq!(
        (
            stats.misses,
            stats.hits.thread,
            stats.returned(),
            stats.idle
        ),
        (1, 1, 1, 0)
    );
}

#[test]
fn a_pool_lives_in_a_static_and_its_guards_are_static() {
    static POOL: Pool<String> = Pool::new(String::new);
    let guard: Guard<'static, String> = POOL.get();
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(POOL.stats().idle, 1);
}

#[test]
fn reset_runs_as_the_object_comes_back() {
    let resets = AtomicUsize::new(0);
    let pool = Pool::with_reset(Vec::<u8>::new, |buf| {
        resets.fetch_add(1, Ordering::Relaxed);
        buf.clear();
        true
    });
    pool.get().extend_from_slice(b"secret");
    assert_eq!(resets.load(Ordering::Relaxed), 1);
    assert!(pool.try_get().expect("one is idle").is_empty());
}

#[test]
fn what_the_policy_refuses_is_dropped() {
    struct Small(Arc<AtomicUsize>);
    impl Policy<(Tracked, usize)> for Small {
        fn create(&self) -> (Tracked, usize) {
            (Tracked::new(&self.0), 0)
        }
        fn reset(&self, object: &mut (Tracked, usize)) -> bool {
            object.1 < 10
        }
    }
    let alive = Arc::default();
    let pool = Pool::new(Small(Arc::clone(&alive)));
    pool.get().1 = 10;
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert_eq!((pool.stats().dropped.refused, pool.stats().idle), (1, 0));
}

#[test]
fn try_get_makes_nothing() {
    let pool = Pool::new(|| 1);
    assert!(pool.try_get().is_none());
    drop(pool.get());
    assert!(pool.try_get().is_some());
    assert_eq!(pool.stats().misses, 1);
}

#[test]
fn take_and_put_move_boxes_and_values() {
    let pool = Pool::new(|| 1);
    pool.put(2);
    pool.put(Box::new(3));
    let mut taken = [*pool.take(), *pool.take(), *pool.take()];
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3]);
    assert_eq!(pool.stats().idle, 0);
}

#[test]
fn a_detached_object_does_not_come_back() {
    let pool = Arc::new(Pool::new(|| 5));
    let boxed: Box<i32> = Guard::detach(pool.get());
    let owned = pool_object::OwnedGuard::detach(pool.get_owned());
    assert_eq!((*boxed, *owned), (5, 5));
    assert_eq!((pool.stats().returned(), Arc::strong_count(&pool)), (0, 1));
}

#[test]
fn an_owned_guard_keeps_the_pool_alive() {
    let alive = Arc::default();
    let pool = Arc::new(Pool::new({
        let alive = Arc::clone(&alive);
        move || Tracked::new(&alive)
    }));
    let guard = pool.get_owned();
    drop(pool);
    thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn an_object_whose_use_panicked_is_dropped() {
    let alive = Arc::default();
    let pool = Pool::new(|| Tracked::new(&alive));
    let panicked = catch_unwind(|| {
        let _guard = pool.get();
        panic!("in use");
    });
    assert!(panicked.is_err());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert_eq!((pool.stats().dropped.panicked, pool.stats().idle), (1, 0));
}

#[test]
fn an_object_whose_use_panicked_is_kept_if_asked() {
    let pool = Pool::new(|| 1).keep_after_panic(true);
    let panicked = catch_unwind(|| {
        let _guard = pool.get();
        panic!("in use");
    });
    assert!(panicked.is_err());
    assert_eq!((pool.stats().dropped.panicked, pool.stats().idle), (0, 1));
}

#[test]
fn an_object_whose_reset_panics_is_dropped() {
    let alive = Arc::default();
    let pool = Pool::with_reset(|| Tracked::new(&alive), |_| panic!("in reset"));
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(pool.get())));
    assert!(panicked.is_err());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert_eq!((pool.stats().dropped.panicked, pool.stats().idle), (1, 0));
}

#[test]
fn a_create_that_panics_leaves_the_pool_as_it_was() {
    let broken = AtomicUsize::new(1);
    let pool = Pool::new(|| assert_eq!(broken.load(Ordering::Relaxed), 0));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.get()))).is_err());
    broken.store(0, Ordering::Relaxed);
    drop(pool.get());
    assert_eq!(pool.stats().idle, 1);
}

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
fn what_one_thread_returns_another_finds() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..200).map(|_| pool.get()).collect();
    thread::scope(|scope| {
        scope.spawn(move || drop(out)).join().unwrap();
    });
    let found = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
    assert_eq!(found, 200, "the thread that ended gave its cache back");
    assert_eq!(pool.stats().idle, 0);
}

#[test]
fn a_living_thread_shares_all_but_its_cache() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..200).map(|_| pool.get()).collect();
    let (returned, checked) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            drop(out);
            returned.wait();
            checked.wait();
        });
        returned.wait();
        let found = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
        assert!((200 - 33..200).contains(&found), "{found}");
        assert_eq!(pool.stats().idle as usize, 200 - found);
        checked.wait();
        worker.join().unwrap();
    });
}

#[test]
fn dropping_a_pool_drops_what_every_thread_cached() {
    const THREADS: usize = 4;
    let alive = Arc::default();
    let pool = Arc::new(Pool::new({
        let alive = Arc::clone(&alive);
        move || Tracked::new(&alive)
    }));
    let (cached, checked) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let pool = Arc::clone(&pool);
            scope.spawn(|| {
                let out: Vec<_> = (0..10).map(|_| pool.take()).collect();
                out.into_iter().for_each(|object| pool.put(object));
                drop(pool);
                cached.wait();
                checked.wait();
            });
        }
        cached.wait();
        assert!(alive.load(Ordering::Relaxed) >= 10);
        drop(pool);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "the threads still live");
        checked.wait();
    });
}

#[test]
fn objects_and_policy_may_borrow() {
    let names = ["a".to_string(), "b".to_string()];
    let pool: Pool<Vec<&str>, _> = Pool::new(|| Vec::with_capacity(names.len()));
    let mut list = pool.get();
    list.extend(names.iter().map(String::as_str));
    drop(list);
    assert_eq!(*pool.get(), ["a", "b"]);
}

#[test]
fn objects_of_no_size_are_counted_all_the_same() {
    let pool = Pool::new(|| ());
    let out: Vec<_> = (0..10).map(|_| pool.get()).collect();
    drop(out);
    assert_eq!(pool.stats().idle, 10);
}

#[test]
fn prewarmed_objects_are_found_and_counted() {
    let pool = Pool::new(|| 0).max_idle(20);
    assert_eq!(pool.prewarm(15), 15);
    assert_eq!(pool.prewarm(15), 5);
    let found = thread::scope(|scope| {
        scope
            .spawn(|| std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count())
            .join()
            .unwrap()
    });
    assert_eq!((found, pool.stats().prewarmed), (20, 20));
    assert_eq!(pool.stats().returned(), 0);
}

#[test]
fn a_failed_create_is_the_callers() {
    let pool = Pool::new(|| 0);
    assert_eq!(pool.get_or_try_else(|| Err("no")).unwrap_err(), "no");
    assert_eq!(pool.stats().misses, 0);
    assert_eq!(*pool.get_or_try_else(|| Ok::<_, ()>(4)).unwrap(), 4);
    assert_eq!(*pool.get_or_else(|| 5), 4, "the one that came back");
}

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
        found += pool_object::Guard::detach(object).capacity();
    }
    assert!(
        found <= BOUND && found as u64 <= stats.idle_weight,
        "{found} {stats:?}"
    );
    assert_eq!((pool.stats().idle, pool.stats().idle_weight), (0, 0));
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

#[test]
fn a_destructor_may_use_the_pool_it_falls_out_of() {
    static POOL: Pool<Nested> = Pool::new(|| Nested(0));
    struct Nested(u32);
    impl Drop for Nested {
        fn drop(&mut self) {
            if self.0 > 0 {
                POOL.put(Nested(self.0 - 1));
            }
        }
    }
    POOL.get().0 = 3;
    for left in (0..3).rev() {
        POOL.clear();
        assert_eq!(POOL.stats().idle, 1);
        assert_eq!(POOL.get().0, left);
    }
    POOL.clear();
    assert_eq!(POOL.stats().idle, 0);
}

#[test]
fn the_default_bound_is_the_one_documented() {
    let mut pool = Pool::<u64>::default();
    pool.extend(0..DEFAULT_MAX_IDLE as u64 + 10);
    assert_eq!(pool.stats().idle as usize, DEFAULT_MAX_IDLE);
}
