//! A pool is dropped while threads that have a cache of it end.
#![cfg(loom_models)]

use loom::{sync::Arc, thread};
use pool_object::{Pool, end_of_thread};
use std::sync::{
    Arc as StdArc,
    atomic::{AtomicIsize, Ordering},
};

/// Counts how many of its kind are alive. (Not loom's: it is the model's ledger.)
struct Tracked(StdArc<AtomicIsize>);

impl Tracked {
    fn new(alive: &StdArc<AtomicIsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(StdArc::clone(alive))
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "dropped twice");
    }
}

/// Rules out that a thread's end and the pool's drop both take a cache, or that
/// neither does, and that an object outlives the pool.
///
/// Fails if the drop drains before it strikes the pool off the registry, or if
/// the end does its work after it has let go of the registry's lock.
#[test]
fn a_threads_end_races_the_drop_of_the_pool() {
    loom::model(|| {
        let alive = StdArc::new(AtomicIsize::new(0));
        let pool = Pool::new({
            let alive = StdArc::clone(&alive);
            move || Tracked::new(&alive)
        });
        let pool = Arc::new(pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            let alive = StdArc::clone(&alive);
            move || {
                drop((pool.get(), pool.get()));
                // The last handle, be it this one or the other, drops the pool.
                if let Ok(last) = Arc::try_unwrap(pool) {
                    drop(last);
                    assert_eq!(alive.load(Ordering::SeqCst), 0);
                }
                end_of_thread();
            }
        });
        if let Ok(last) = Arc::try_unwrap(pool) {
            drop(last);
            assert_eq!(
                alive.load(Ordering::SeqCst),
                0,
                "an object outlived its pool"
            );
        }
        worker.join().unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        end_of_thread();
    });
}

/// Rules out that a thread's entry of a dropped pool is taken for one of the pool
/// that got the same index after it.
///
/// Fails if an index is handed out again with the sequence number it had.
#[test]
fn a_dropped_pools_index_is_used_again_while_a_thread_ends() {
    loom::model(|| {
        let alive = StdArc::new(AtomicIsize::new(0));
        let first = Arc::new(Pool::new({
            let alive = StdArc::clone(&alive);
            move || Tracked::new(&alive)
        }));
        let worker = thread::spawn({
            let first = Arc::clone(&first);
            move || {
                drop(first.get());
                drop(Arc::try_unwrap(first));
                end_of_thread();
            }
        });
        drop(Arc::try_unwrap(first));
        let second = Pool::new(|| 7);
        drop(second.get());
        worker.join().unwrap();
        assert_eq!(second.stats().idle, 1);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        drop(second);
        end_of_thread();
    });
}
