//! Caches trade with the shards, and steal from each other's.
#![cfg(loom_models)]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use pool_object::{Guard, Policy, Pool, end_of_thread};

/// Before the threads start: that it is made once is `once_cell`'s business, whose
/// edges loom does not see.
fn make_shared_part<T>(pool: &Pool<T, impl Policy<T>>) {
    assert!(pool.try_get().is_none());
}

fn mark(cell: &UnsafeCell<i32>) {
    // SAFETY: who holds the guard is alone with the object; if not, loom sees it.
    cell.with_mut(|value| unsafe { *value += 1 });
}

/// Rules out that an object is in two hands at once, or is lost on its way.
///
/// Fails if a shard's batch is copied out and not removed.
#[test]
fn a_spill_races_a_steal() {
    loom::model(|| {
        let pool = Arc::new(Pool::new(|| UnsafeCell::new(0)));
        make_shared_part(&pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                // More than slot and magazine hold, so the rest spills.
                let out: Vec<_> = (0..4).map(|_| pool.get()).collect();
                out.iter().for_each(|object| mark(object));
                drop(out);
                drop(pool);
                end_of_thread();
            }
        });
        for object in [pool.try_get(), pool.try_get()].into_iter().flatten() {
            mark(&object);
        }
        worker.join().unwrap();
        let found = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
        assert_eq!(found, 4);
        drop(pool);
        end_of_thread();
    });
}

/// Rules out that an object in a shard is passed by for ever because the shard is
/// taken for empty.
///
/// Fails if a shard's length is written after its lock is gone.
#[test]
fn a_put_races_a_take_in_one_shard() {
    loom::model(|| {
        // So small a bound leaves no place for thread caches.
        let pool = Arc::new(Pool::new(|| 0).max_idle(2));
        make_shared_part(&pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                pool.put(1);
                pool.put(2);
                drop(pool);
                end_of_thread();
            }
        });
        let early = pool.try_get().map(Guard::detach);
        worker.join().unwrap();
        let late = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
        assert_eq!(late + usize::from(early.is_some()), 2);
        drop(pool);
        end_of_thread();
    });
}

/// Rules out that two threads together keep more than the bound.
///
/// Fails if the places are taken with a load and a store.
#[test]
fn two_returns_race_for_the_last_place() {
    loom::model(|| {
        let pool = Arc::new(Pool::new(|| 0).max_idle(1));
        make_shared_part(&pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                pool.put(1);
                drop(pool);
                end_of_thread();
            }
        });
        pool.put(2);
        worker.join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.idle, stats.dropped.full), (1, 1));
        drop(pool);
        end_of_thread();
    });
}
