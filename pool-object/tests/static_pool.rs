//! Pools in `static`s with a slot in the thread's own memory.

use pool_object::{Guard, Loan, Policy, Pool, TryPolicy, static_pool};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

struct Cleared;
impl Policy<Vec<u8>> for Cleared {
    fn create(&self) -> Vec<u8> {
        Vec::with_capacity(100)
    }
    fn reset(&self, object: &mut Vec<u8>) -> bool {
        object.clear();
        object.capacity() <= 1000
    }
}

#[test]
fn it_is_a_pool_with_a_slot_in_front() {
    static_pool! {
        static BYTES: Pool<Vec<u8>, Cleared> = Pool::new(Cleared).max_idle(100);
    }
    let mut one: Loan<BYTES> = BYTES.get();
    one.push(1);
    let memory = one.as_ptr();
    drop(one);
    let again = BYTES.get();
    assert_eq!((again.as_ptr(), again.len()), (memory, 0));
    drop(again);

    let many: Vec<_> = (0..50).map(|_| BYTES.get()).collect();
    drop(many);
    assert_eq!((BYTES.stats().idle, BYTES.stats().misses), (50, 50));
    // The other ways in and out reach the rest.
    let plain = Pool::get(&BYTES);
    BYTES.put(Pool::try_get(&BYTES).map(Guard::detach).unwrap());
    drop(plain);
    BYTES.get().reserve(5000);
    let stats = BYTES.stats();
    assert_eq!((stats.dropped.refused, stats.idle), (1, 49));
    BYTES.clear();
    assert_eq!((BYTES.stats().idle, BYTES.stats().dropped.aged), (0, 49));
    // Open again after it was swept.
    drop(BYTES.get());
    assert_eq!(BYTES.stats().idle, 1);
}

#[test]
fn every_way_to_get_finds_what_is_in_the_threads_front() {
    static_pool! {
        static FOUND: Pool<u8> = Pool::from_fn(|| 7);
    }
    // Once for the front to open, then one object into it.
    drop(FOUND.get());
    let keep = FOUND.get();
    drop(FOUND.get());
    drop(keep);
    FOUND.clear();
    let ways: [fn() -> Box<u8>; 5] = [
        || FOUND.try_get().map(Guard::detach).expect("one is idle"),
        || FOUND.take(),
        || Guard::detach(Pool::get(&FOUND)),
        || Guard::detach(FOUND.get_or_else(|| unreachable!("one is idle"))),
        || Guard::detach(Pool::get_or_error(&FOUND).unwrap()),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        drop(FOUND.get());
        assert_eq!(FOUND.stats().idle, 1);
        let before = FOUND.stats();
        assert_eq!(*way(), 7);
        let after = FOUND.stats();
        assert_eq!((after.idle, after.misses), (0, before.misses), "way {n}");
        assert_eq!(after.hits.thread, before.hits.thread + 1, "way {n}");
    }
}

/// Names that the macro's own might hide.
#[allow(non_upper_case_globals)]
#[test]
fn types_and_values_may_have_any_name() {
    #[derive(Default)]
    struct Object(u8);
    struct Policy;
    impl pool_object::Policy<Object> for Policy {
        fn create(&self) -> Object {
            Object(POOL + FRONT)
        }
    }
    const POOL: u8 = 3;
    const FRONT: u8 = 4;
    static_pool! {
        static OBJECTS: Pool<Object, Policy> = Pool::new(Policy).max_idle((POOL + FRONT) as usize);
        static PLAIN: Pool<Object> = Pool::from_fn(Object::default);
    }
    assert_eq!((OBJECTS.get().0, PLAIN.get().0), (7, 0));
    drop([(); 10].map(|()| OBJECTS.get()));
    assert_eq!(OBJECTS.stats().idle, 7);
}

#[test]
fn its_policy_may_fail_to_make_an_object() {
    struct Numbers(AtomicUsize);
    impl TryPolicy<usize> for Numbers {
        type Error = &'static str;
        fn try_create(&self) -> Result<usize, &'static str> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not today"),
                number => Ok(number),
            }
        }
    }
    static_pool! {
        static NUMBERS: Pool<usize, Numbers> = Pool::new(Numbers(AtomicUsize::new(0)));
    }
    assert_eq!(NUMBERS.get_or_error().unwrap_err(), "not today");
    assert_eq!(NUMBERS.stats(), pool_object::Stats::default());
    for hits in 0..5 {
        let number: Loan<NUMBERS> = NUMBERS.get_or_error().unwrap();
        assert_eq!((*number, NUMBERS.stats().hits.thread), (1, hits));
    }
    assert_eq!((NUMBERS.stats().misses, NUMBERS.stats().idle), (1, 1));
}

#[test]
fn guards_cross_threads_and_ended_threads_give_back() {
    static_pool! {
        static NAMES: Pool<String> = Pool::from_fn(String::new).max_idle(1000);
    }
    let name = NAMES.get();
    thread::spawn(move || {
        drop(name);
        // A guard of this thread's front, and one of the magazine.
        drop((NAMES.get(), NAMES.get()));
        assert_eq!(NAMES.stats().idle, 2);
    })
    .join()
    .unwrap();
    assert_eq!(NAMES.stats().idle, 2);
    let (one, other) = (NAMES.get(), NAMES.get());
    assert_eq!((NAMES.stats().misses, NAMES.stats().idle), (2, 0));
    drop((one, other));
}

#[test]
fn a_sweep_reaches_the_front_of_a_thread_that_sleeps() {
    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Counted {
        fn new() -> Self {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Self
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // Not of no size, or it would not be an allocation.
    static_pool! {
        static THINGS: Pool<(Counted, u8)> = Pool::from_fn(|| (Counted::new(), 0));
    }
    let (used, swept) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..10).for_each(|_| drop(THINGS.get()));
            used.wait();
            swept.wait();
            drop(THINGS.get());
            used.wait();
        });
        used.wait();
        THINGS.trim();
        assert_eq!(ALIVE.load(Ordering::Relaxed), 1);
        THINGS.trim();
        assert_eq!((ALIVE.load(Ordering::Relaxed), THINGS.stats().idle), (0, 0));
        swept.wait();
        used.wait();
        assert_eq!(
            (ALIVE.load(Ordering::Relaxed), THINGS.stats().misses),
            (1, 2)
        );
    });
}

#[test]
fn use_while_the_thread_is_torn_down() {
    static_pool! {
        static LATE: Pool<String> = Pool::from_fn(String::new);
    }
    struct UsesIt;
    impl Drop for UsesIt {
        fn drop(&mut self) {
            drop((LATE.get(), LATE.get()));
        }
    }
    thread_local! { static USES_IT: UsesIt = const { UsesIt }; }
    for _ in 0..3 {
        thread::spawn(|| {
            // Destroyed after the pool's own locals, which come second.
            USES_IT.with(|_| drop(LATE.get()));
        })
        .join()
        .unwrap();
    }
    assert_eq!(LATE.stats().misses, 2);
    assert_eq!(LATE.stats().idle, 2);
}

/// A number that weighs what it says.
struct Weighed;

impl pool_object::Policy<usize> for Weighed {
    fn create(&self) -> usize {
        1
    }
    fn weigh(&self, object: &usize) -> usize {
        *object
    }
}

pool_object::static_pool! {
    static HEAVY: Pool<usize, Weighed> = Pool::new(Weighed).max_idle(100);
}

#[test]
fn what_is_heavy_does_not_slip_past_the_bound_by_the_front() {
    // The front has opened.
    (0..3).for_each(|_| drop(HEAVY.get()));
    let mut held = [(); 4].map(|()| HEAVY.get());
    held.iter_mut().for_each(|number| **number = 60);
    drop(held);
    assert!(HEAVY.stats().idle_weight <= 100);
    let found = std::iter::from_fn(|| HEAVY.try_get());
    let weight: usize = found.map(|number| *Loan::detach(number)).sum();
    assert_eq!(weight, 60);
    HEAVY.with(|number| *number = 101);
    assert_eq!(HEAVY.stats().idle, 0);
}
