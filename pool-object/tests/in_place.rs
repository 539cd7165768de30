//! Objects that are used where they are.

#![cfg(not(loom_models))]

mod tracked;

use pool_object::{Policy, Pool, static_pool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};
use tracked::Tracked;

/// Uses the pool until its slot lends what is in it.
fn warm_up<T>(pool: &Pool<T, impl Policy<T>>) {
    (0..3).for_each(|_| pool.with(|_| ()));
    assert_eq!((pool.stats().misses, pool.stats().hits.thread), (1, 2));
}

#[test]
fn it_is_out_while_it_is_used_and_back_after_that() {
    let pool = Pool::new(String::new);
    warm_up(&pool);
    let before = pool.stats();
    pool.with(|line| {
        line.push('a');
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.hits.thread), (0, 3));
        assert_eq!(stats.returned(), before.returned());
        // Others, in whatever way.
        assert!(pool.try_get().is_none());
        assert!(pool.get().is_empty());
        pool.with(|other| other.push('b'));
        assert_eq!(line, "a");
    });
    let mut kept = [pool.take(), pool.take()];
    kept.sort();
    assert_eq!(kept.map(|line| *line), ["a", "b"]);
    assert_eq!((pool.stats().misses, pool.stats().idle), (2, 0));
}

#[test]
fn a_sweep_in_between_leaves_it_alone() {
    let pool = Pool::new(String::new);
    warm_up(&pool);
    let (used, sweep) = mpsc::channel();
    let (swept, go_on) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let sweep = sweep;
            sweep.recv().unwrap();
            pool.clear();
            pool.trim();
            pool.trim();
            swept.send(()).unwrap();
        });
        pool.with(|line| {
            line.push_str("used");
            used.send(()).unwrap();
            go_on.recv().unwrap();
            // By its own thread, too.
            pool.clear();
            assert_eq!(line, "used");
        });
        assert_eq!(pool.with(|line| line.clone()), "used");
        // It ages from its last use on.
        pool.trim();
        assert_eq!(pool.stats().idle, 1);
        pool.trim();
        assert_eq!((pool.stats().idle, pool.stats().dropped.aged), (0, 1));
    });
}

#[test]
fn a_reset_that_refuses_it_has_it_dropped() {
    let alive = Arc::default();
    let keep = AtomicBool::new(true);
    let pool = Pool::with_reset(|| Tracked::new(&alive), |_| keep.load(Ordering::Relaxed));
    warm_up(&pool);
    keep.store(false, Ordering::Relaxed);
    pool.with(|_| ());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    assert_eq!((pool.stats().dropped.refused, pool.stats().idle), (1, 0));
}

#[test]
fn what_has_grown_too_heavy_for_its_place_finds_another_or_goes() {
    struct Bytes;
    impl Policy<Vec<u8>> for Bytes {
        fn create(&self) -> Vec<u8> {
            Vec::new()
        }
        fn weigh(&self, bytes: &Vec<u8>) -> usize {
            bytes.len()
        }
    }
    static_pool! {
        static BYTES: Pool<Vec<u8>, Bytes> = Pool::new(Bytes).max_idle(100);
    }
    for pool in [&Pool::new(Bytes).max_idle(100), &*BYTES] {
        warm_up(pool);
        pool.with(|bytes| bytes.resize(20, 0));
        assert_eq!((pool.stats().idle, pool.stats().dropped.total()), (1, 0));
        assert_eq!(pool.with(|bytes| bytes.len()), 20);
        pool.with(|bytes| bytes.resize(200, 0));
        assert_eq!((pool.stats().idle, pool.stats().dropped.total()), (0, 1));
    }
    BYTES.with(|bytes| bytes.resize(20, 0));
    BYTES.with(Vec::clear);
    BYTES.with(|bytes| bytes.resize(20, 0));
    assert_eq!((BYTES.stats().idle, BYTES.stats().dropped.total()), (1, 1));
}

#[test]
fn a_panic_in_its_use_drops_it_unless_it_is_to_be_kept() {
    let alive = Arc::default();
    for keep in [false, true] {
        let pool = Pool::new(|| Tracked::new(&alive)).keep_after_panic(keep);
        warm_up(&pool);
        let used = catch_unwind(AssertUnwindSafe(|| pool.with(|_| panic!("in use"))));
        assert!(used.is_err());
        let stats = pool.stats();
        assert_eq!(stats.idle, u64::from(keep));
        assert_eq!(stats.dropped.panicked, u64::from(!keep));
        assert_eq!(alive.load(Ordering::Relaxed), usize::from(keep));
        // And the slot is as good as new.
        (0..5).for_each(|_| pool.with(|_| ()));
        assert_eq!(pool.stats().idle, 1);
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn a_panic_in_its_reset_or_weighing_drops_it() {
    struct Fragile<'a>(&'a Arc<AtomicUsize>, &'a AtomicUsize);
    impl Policy<Tracked> for Fragile<'_> {
        fn create(&self) -> Tracked {
            Tracked::new(self.0)
        }
        fn reset(&self, _: &mut Tracked) -> bool {
            assert_ne!(self.1.load(Ordering::Relaxed), 1, "in reset");
            true
        }
        fn weigh(&self, _: &Tracked) -> usize {
            assert_ne!(self.1.load(Ordering::Relaxed), 2, "in weigh");
            1
        }
    }
    let (alive, broken) = (Arc::default(), AtomicUsize::new(0));
    for (keep, at) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let pool = Pool::new(Fragile(&alive, &broken)).keep_after_panic(keep);
        warm_up(&pool);
        broken.store(at, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| pool.with(|_| ()))).is_err());
        broken.store(0, Ordering::Relaxed);
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.dropped.panicked), (0, 1));
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
}

/// Whichever way it takes: with nothing in the slot, and with something.
#[test]
fn a_use_in_the_course_of_a_panic_is_not_the_one_that_panicked() {
    struct UseAsItDrops<'a>(&'a Pool<u8>);
    impl Drop for UseAsItDrops<'_> {
        fn drop(&mut self) {
            self.0.with(|used| *used += 1);
        }
    }
    let pool = Pool::from_fn(|| 0);
    for uses in 1..5 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = UseAsItDrops(&pool);
            // Without the hook, which would print.
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        assert_eq!(pool.stats().dropped.panicked, 0);
        assert_eq!(*pool.get(), uses);
    }
}

#[test]
fn an_object_of_no_size_may_have_any_alignment() {
    #[repr(align(64))]
    struct Nothing;
    let pool = Pool::new(|| Nothing);
    warm_up(&pool);
    let place = pool.with(|nothing| std::ptr::from_ref(nothing).addr());
    assert_eq!(place % 64, 0);
}

#[test]
fn a_static_pool_lends_from_its_front() {
    static_pool! {
        static LINES: Pool<String> = Pool::from_fn(String::new);
    }
    // Made; into the front, whose first round begins; in its place.
    (0..3).for_each(|_| LINES.with(|line| line.push('x')));
    assert_eq!(LINES.with(|line| line.clone()), "xxx");
    LINES.with(|line| {
        assert_eq!(LINES.stats().idle, 0);
        LINES.clear();
        LINES.with(|other| other.push('y'));
        assert_eq!(line, "xxx");
    });
    assert_eq!((LINES.stats().misses, LINES.stats().idle), (2, 2));
    let used = catch_unwind(|| LINES.with(|_| panic!("in use")));
    assert!(used.is_err());
    let stats = LINES.stats();
    assert_eq!((stats.dropped.panicked, stats.idle), (1, 1));
}

#[test]
fn many_threads_use_them_while_others_sweep() {
    const USES: usize = if cfg!(debug_assertions) {
        20_000
    } else {
        400_000
    };
    let alive = Arc::default();
    let pool = Pool::new(|| (Tracked::new(&alive), AtomicBool::new(false)));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let users: [_; 2] = std::array::from_fn(|_| {
            scope.spawn(|| {
                for _ in 0..USES {
                    pool.with(|(_, used)| {
                        assert!(!used.swap(true, Ordering::Relaxed), "used twice");
                        assert!(used.swap(false, Ordering::Relaxed));
                    });
                }
            })
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                pool.clear();
                pool.trim();
            }
        });
        let ended = users.map(thread::ScopedJoinHandle::join);
        stop.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    let stats = pool.stats();
    assert_eq!(stats.idle + stats.dropped.aged, stats.misses, "{stats:?}");
    assert_eq!(stats.hits.total() + stats.misses, 2 * USES as u64);
    drop(pool);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}
