//! How many workers there are.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Control, Elastic, Vegas};
use pool_worker::threads::ControlledPool;

use crate::harness::*;

on_both! {
    a_stalled_pool_grows
    a_pool_that_is_left_alone_shrinks
    a_capacity_is_changed_as_of_any_pool
    a_size_that_is_not_the_pool_s_to_say_stays
}

fn a_capacity_is_changed_as_of_any_pool(build: Build) {
    let (pool, _events, starts) = build(1, 10, Control::new());
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    assert_eq!(starts.recv(), Ok(0));
    pool.submit(Class::new(), job(1)).unwrap();
    pool.set_capacity(2);
    assert_eq!(starts.recv(), Ok(1), "beside the first");
    assert_eq!(pool.stats().total.capacity, 2);
    drop(go);
    pool.close();
}

fn a_size_that_is_not_the_pool_s_to_say_stays(build: Build) {
    for control in [
        Control::new().elastic(Elastic::new(2, 4)),
        Control::new().vegas(Vegas::new(2, 4)),
    ] {
        let (pool, _events, _starts) = build(1, 10, control);
        pool.set_capacity(3);
        assert_eq!(pool.stats().total.capacity, 2);
        pool.close();
    }
}

fn a_stalled_pool_grows(build: Build) {
    let elastic = Elastic::new(1, 3)
        .target(Duration::ZERO)
        .pace(Duration::ZERO);
    let (pool, _events, starts) = build(1, 10, Control::new().elastic(elastic));
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    assert_eq!(starts.recv(), Ok(0));
    // The one worker is busy; the second of these finds that the first waits, so
    // another worker is made for either of them.
    pool.submit(Class::new(), job(1)).unwrap();
    pool.submit(Class::new(), job(2)).unwrap();
    assert!(matches!(starts.recv(), Ok(1 | 2)), "beside the first");
    assert!((2..=3).contains(&pool.stats().total.capacity));
    drop(go);
    pool.close();
}

fn a_pool_that_is_left_alone_shrinks(build: Build) {
    let elastic = Elastic::new(2, 4)
        .target(Duration::ZERO)
        .pace(Duration::ZERO)
        .idle(Duration::from_millis(1));
    let (pool, _events, starts) = build(1, 100, Control::new().elastic(elastic));
    let mut going = Vec::new();
    for name in 0..2 {
        let (job, go) = held(name);
        pool.submit(Class::new(), job).unwrap();
        assert_eq!(starts.recv(), Ok(name));
        going.push(go);
    }
    let (third, go) = held(2);
    pool.submit(Class::new(), third).unwrap();
    // This finds that both workers are busy and one job waits.
    pool.submit(Class::new(), job(3)).unwrap();
    while starts.recv() != Ok(2) {}
    assert!(pool.stats().total.capacity > 2);
    drop((going, go));
    pool.wait_idle();
    // Nothing comes, and nothing is asked of it but how large it is.
    let patience = Instant::now() + LONG;
    let mut total = pool.stats().total;
    while (total.capacity, total.workers) != (2, 2) {
        assert!(Instant::now() < patience, "{total:?}");
        std::thread::yield_now();
        total = pool.stats().total;
    }
    pool.close();
}

/// Bears so many at once; more of them wait for each other.
struct Bearer {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Bearer {
    fn bear(&self, job: impl FnOnce()) {
        let free = self.free.lock().unwrap();
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap();
        *free -= 1;
        drop(free);
        job();
        *self.free.lock().unwrap() += 1;
        self.freed.notify_one();
    }
}

#[test]
fn a_limit_leaves_its_start_for_what_is_borne_and_keeps_its_bounds() {
    let bearer = Bearer {
        free: Mutex::new(3),
        freed: Condvar::new(),
    };
    let run = move |nth: u64| {
        bearer.bear(|| _ = std::hint::black_box((0..nth % 100).sum::<u64>()));
    };
    let pool = ControlledPool::builder().queue(10_000).build(
        Control::new().vegas(Vegas::new(2, 20)),
        run,
        |unserved| unreachable!("{}", unserved.why),
    );
    let mut most = 0;
    for nth in 0..2000 {
        pool.submit(Class::new(), nth).unwrap();
        let capacity = pool.stats().total.capacity;
        assert!((2..=20).contains(&capacity));
        most = most.max(capacity);
    }
    pool.wait_idle();
    // The first look has nothing to compare with, and so raises it.
    assert!(most.max(pool.stats().total.capacity) > 2);
    assert_eq!(pool.stats().total.ran, 2000);
}
