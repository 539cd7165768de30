//! Pools used while a thread's locals are being destroyed.

use pool_object::Pool;
use std::{cell::RefCell, thread};

static POOL: Pool<String> = Pool::new(String::new);
static BEFORE: Pool<String> = Pool::new(String::new);

/// Uses pools as it is destroyed.
struct LastWish(&'static Pool<String>, RefCell<Vec<String>>);

impl Drop for LastWish {
    fn drop(&mut self) {
        for object in self.1.take() {
            self.0.put(object);
        }
        let last = self.0.get();
        assert!(last.is_empty());
    }
}

thread_local! {
    static AFTER_THE_TABLE: LastWish = const { LastWish(&POOL, RefCell::new(Vec::new())) };
    static BEFORE_THE_TABLE: LastWish = const { LastWish(&BEFORE, RefCell::new(Vec::new())) };
}

/// Which of two locals is destroyed first is the platform's choice, so one is
/// touched before this thread's first use of a pool, the other after it.
#[test]
fn destructors_of_thread_locals_may_use_pools_in_any_order() {
    thread::spawn(|| {
        BEFORE_THE_TABLE.with(|wish| wish.1.borrow_mut().push(String::new()));
        drop((POOL.get(), BEFORE.get()));
        AFTER_THE_TABLE.with(|wish| wish.1.borrow_mut().push(String::new()));
    })
    .join()
    .expect("no destructor panics");
    // One made by each `get`, one brought by each destructor, none lost.
    assert_eq!((POOL.stats().idle, BEFORE.stats().idle), (2, 2));
    assert_eq!((POOL.stats().misses, BEFORE.stats().misses), (1, 1));
    let found = std::iter::from_fn(|| POOL.try_get().map(pool_object::Guard::detach)).count();
    assert_eq!(found, 2);
}

#[test]
fn a_pool_may_be_a_thread_local_itself() {
    thread_local! {
        static LOCAL: Pool<Vec<u8>> = const { Pool::from_fn(Vec::new) };
    }
    thread::spawn(|| {
        let objects: Vec<_> = (0..100).map(|_| LOCAL.with(Pool::take)).collect();
        LOCAL.with(|pool| objects.into_iter().for_each(|object| pool.put(object)));
        LOCAL.with(|pool| assert_eq!(pool.stats().idle, 100));
    })
    .join()
    .expect("its drop and the table's get along");
}
