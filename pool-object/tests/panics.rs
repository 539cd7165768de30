//! Callers' code that panics.

mod tracked;

use pool_object::{Policy, Pool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tracked::Tracked;

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
    assert_eq!(pool.stats(), pool_object::Stats::default());
    drop(pool.get());
    assert_eq!((pool.stats().misses, pool.stats().idle), (1, 1));
}

#[test]
fn an_object_whose_weighing_panics_is_dropped_and_counted() {
    struct Unweighable(Arc<AtomicUsize>);
    impl Policy<Tracked> for Unweighable {
        fn create(&self) -> Tracked {
            Tracked::new(&self.0)
        }
        fn weigh(&self, _: &Tracked) -> usize {
            panic!("in weigh")
        }
    }
    let alive = Arc::default();
    let pool = Pool::new(Unweighable(Arc::clone(&alive)));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.get()))).is_err());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    let stats = pool.stats();
    assert_eq!(
        (stats.misses, stats.dropped.panicked, stats.idle),
        (1, 1, 0)
    );
}
