//! Finding misuse.
#![cfg(feature = "checks")]

use pool_object::{Checks, Guard, Policy, Pool};

#[test]
fn some_objects_are_dropped_at_random() {
    let pool = Pool::new(|| 0).checks(Checks::none().drop_one_in(4));
    (0..10_000).for_each(|_| drop(pool.get()));
    let dropped = pool.stats().dropped.refused;
    assert!((1500..3500).contains(&dropped), "{dropped}");
    assert_eq!(dropped + pool.stats().idle, pool.stats().misses);
}

#[test]
fn what_comes_back_is_poisoned_after_its_reset() {
    struct Pages;
    impl Policy<[u8; 4]> for Pages {
        fn create(&self) -> [u8; 4] {
            [0; 4]
        }
        fn poison(&self, page: &mut [u8; 4]) {
            *page = [0xDB; 4];
        }
    }
    let pool = Pool::new(Pages).checks(Checks::none().poison());
    drop(pool.get());
    assert_eq!(*pool.get(), [0xDB; 4]);
    let trusting = Pool::new(Pages);
    drop(trusting.get());
    assert_eq!(*trusting.get(), [0; 4]);
}

#[test]
fn loans_are_known_until_they_are_back() {
    let pool = Pool::new(String::new).checks(Checks::none().track_loans());
    let line = line!() + 1;
    let (one, other) = (pool.get(), pool.get_or_else(String::new));
    let loans = pool.loans();
    assert!(
        loans
            .iter()
            .all(|loan| loan.taken_at.line() == line && loan.taken_at.file() == file!())
    );
    assert_eq!(loans.len(), 2);
    drop(one);
    drop(Guard::detach(other));
    assert!(pool.loans().is_empty());
    std::mem::forget(pool.get());
    assert_eq!(pool.loans().len(), 1);
}
