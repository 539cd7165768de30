//! A thread that has a cache ends while another looks for objects.
#![cfg(loom_models)]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use pool_object::{Guard, Policy, Pool, end_of_thread};

/// Before the threads start: that it is made once is `once_cell`'s business, whose
/// edges loom does not see.
fn make_shared_part<T>(pool: &Pool<T, impl Policy<T>>) {
    assert!(pool.try_get().is_none());
}

/// Rules out that an object in the cache of an ending thread is lost, is found
/// twice, or is found before what its last user wrote.
///
/// Fails if the end forgets the slot, or frees the cache without emptying it.
#[test]
fn a_threads_end_races_a_get() {
    loom::model(|| {
        let pool = Arc::new(Pool::new(|| UnsafeCell::new(0)));
        make_shared_part(&pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                // SAFETY: the guards are this thread's alone, or the model fails.
                let mark = |cell: &UnsafeCell<i32>| cell.with_mut(|value| unsafe { *value += 1 });
                let (one, two) = (pool.get(), pool.get());
                mark(&one);
                mark(&two);
                drop((one, two));
                drop(pool);
                end_of_thread();
            }
        });
        let early = pool.try_get().map(Guard::detach);
        worker.join().unwrap();
        let late: Vec<_> = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).collect();
        assert_eq!(late.len() + usize::from(early.is_some()), 2);
        for object in late.iter().chain(&early) {
            // SAFETY: as above.
            assert_eq!(object.with(|value| unsafe { *value }), 1);
        }
        assert_eq!(pool.stats().idle, 0);
        drop(pool);
        end_of_thread();
    });
}
