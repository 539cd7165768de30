//! What a user of `Pool` sees.

mod tracked;

use pool_object::{DEFAULT_MAX_IDLE, Guard, OwnedGuard, Policy, Pool, TryPolicy};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tracked::Tracked;

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
    let owned = OwnedGuard::detach(pool.get_owned());
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

#[test]
fn a_policy_may_fail_to_make_an_object() {
    struct Numbers(AtomicUsize);
    impl TryPolicy<usize> for Numbers {
        type Error = &'static str;
        fn try_create(&self) -> Result<usize, &'static str> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                even if even % 2 == 0 => Err("not today"),
                odd => Ok(odd),
            }
        }
        fn reset(&self, number: &mut usize) -> bool {
            *number += 10;
            true
        }
    }
    let pool = Arc::new(Pool::new(Numbers(AtomicUsize::new(0))));
    assert_eq!(pool.get_or_error().unwrap_err(), "not today");
    assert_eq!(pool.stats(), pool_object::Stats::default());
    assert_eq!(*pool.get_or_error().unwrap(), 1);
    let kept: OwnedGuard<_, _> = pool.get_owned_or_error().unwrap();
    assert_eq!(*kept, 11, "the one that came back");
    assert_eq!(pool.get_owned_or_error().unwrap_err(), "not today");
    assert_eq!((pool.stats().misses, Arc::strong_count(&pool)), (1, 2));
}

#[test]
fn what_is_made_ahead_is_all_accounted_for() {
    struct Weighed<'a>(&'a AtomicUsize);
    impl Policy<usize> for Weighed<'_> {
        fn create(&self) -> usize {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
        fn weigh(&self, _: &usize) -> usize {
            3
        }
    }
    let made = AtomicUsize::new(0);
    let pool = Pool::new(Weighed(&made)).max_idle(10);
    assert_eq!(pool.prewarm(5), 3, "as many as there is room for");
    let stats = pool.stats();
    assert_eq!((stats.prewarmed, stats.dropped.byte_budget), (4, 1));
    assert_eq!((stats.idle, stats.returned()), (3, 0));
    assert_eq!(made.load(Ordering::Relaxed), 4);
    drop(pool.get());
    assert_eq!(pool.stats().returned(), 1);
    pool.set_max_idle(9);
    assert_eq!(pool.prewarm(5), 0);
    assert_eq!(made.load(Ordering::Relaxed), 4, "none is made in vain");
}

#[test]
fn what_prewarm_says_is_not_changed_by_a_bound_that_is() {
    static POOL: Pool<u8> = Pool::from_fn(|| {
        POOL.set_max_idle(1000 - 999 * POOL.stats().prewarmed as usize);
        0
    });
    assert_eq!(POOL.prewarm(2), 1);
    assert_eq!((POOL.stats().idle, POOL.stats().prewarmed), (1, 2));
    assert_eq!((POOL.stats().dropped.full, POOL.stats().returned()), (1, 0));
}
