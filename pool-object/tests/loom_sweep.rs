//! A sweep empties the cache of a thread that uses it, or sleeps on it.
#![cfg(loom_models)]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use pool_object::{Guard, Policy, Pool, end_of_thread};

/// Before the threads start: that it is made once is `once_cell`'s business, whose
/// edges loom does not see.
fn make_shared_part<T>(pool: &Pool<T, impl Policy<T>>) {
    assert!(pool.try_get().is_none());
}

/// All interleavings of whole pools are too many: those with few switches where none is
/// due. `loom_slot` has all of them, of the parts that matter.
fn few_switches() -> loom::model::Builder {
    switches(1)
}

fn switches(most: usize) -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(most);
    model
}

type Cells = Pool<Marked, fn() -> Marked>;

/// Loom sees two threads at it, and one that frees it without the other's writes.
struct Marked(UnsafeCell<i32>);

impl Marked {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn mark(&self) {
        // SAFETY: who holds the guard is alone with the object; if not, loom sees it.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }
}

impl Marked {
    fn mark_mut(&mut self) {
        self.mark();
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        self.mark();
    }
}

/// One thread uses the pool, another sweeps it meanwhile; then all is counted.
fn race(
    worker: impl Fn(&Cells) + Copy + Send + Sync + 'static,
    sweep: impl Fn(&Cells) + Copy + Send + Sync + 'static,
) {
    race_with(1, worker, sweep);
}

fn race_with(
    switches_at_most: usize,
    worker: impl Fn(&Cells) + Copy + Send + Sync + 'static,
    sweep: impl Fn(&Cells) + Copy + Send + Sync + 'static,
) {
    switches(switches_at_most).check(move || {
        let pool: Arc<Cells> = Arc::new(Pool::new(Marked::new));
        make_shared_part(&pool);
        let worker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                worker(&pool);
                drop(pool);
                end_of_thread();
            }
        });
        sweep(&pool);
        worker.join().unwrap();
        let stats = pool.stats();
        // What came back is idle still or was swept, and nothing else.
        let dropped = stats.dropped.total();
        assert_eq!(stats.idle + dropped, stats.misses, "{stats:?}");
        let found: Vec<_> = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).collect();
        found.iter().for_each(|object| object.mark());
        assert_eq!(found.len() as u64, stats.idle);
        drop(pool);
        end_of_thread();
    });
}

/// Rules out that a sweeper and the owner both have the object of a slot, or neither.
///
/// Fails if either fence is left out, if the sweeper does not wait for the owner's
/// take, or if it takes the object though the owner has written over `CLOSED`.
#[test]
fn a_clear_races_takes_from_a_slot() {
    race(
        |pool| {
            pool.get().mark();
            pool.get().mark();
        },
        Pool::clear,
    );
}

/// The same of an object that is used in its place.
///
/// Fails if the sweeper takes what is lent.
#[test]
fn a_clear_races_uses_in_the_slot() {
    race(
        |pool| {
            // Made; the slot's first round begins; in its place.
            pool.with(Marked::mark_mut);
            pool.with(Marked::mark_mut);
            pool.with(Marked::mark_mut);
        },
        Pool::clear,
    );
}

/// The same of the magazine, which a gate guards.
///
/// Fails if either fence is left out. (One that does not wait takes two switches to be
/// seen, for which this one has too many interleavings; the next one sees it.)
#[test]
fn a_clear_races_takes_from_a_magazine() {
    race(use_a_magazine, Pool::clear);
}

/// The same of a bound that is lowered, which looks through magazines and then through
/// slots.
///
/// Fails if it does not wait at the gates, or does not open them, or leaves out a fence.
#[test]
fn a_lower_bound_races_takes_from_a_magazine() {
    race_with(2, use_a_magazine, |pool| pool.set_max_idle(1));
}

fn use_a_magazine(pool: &Cells) {
    let (one, two) = (pool.get(), pool.get());
    drop((one, two));
    let (one, two) = (pool.get(), pool.get());
    one.mark();
    two.mark();
}

/// Rules out that a trim takes for unused what is used between its look and its
/// take.
///
/// Fails as the first.
#[test]
fn two_trims_race_takes_from_a_slot() {
    race(
        |pool| {
            pool.get().mark();
            pool.get().mark();
        },
        |pool| {
            pool.trim();
            pool.trim();
        },
    );
}

/// Rules out that a clear passes by what sleeps in the cache of another thread.
///
/// Fails if the sweep goes through the shards alone.
#[test]
fn a_clear_reaches_the_cache_of_a_thread_that_sleeps() {
    few_switches().check(|| {
        let pool: Arc<Cells> = Arc::new(Pool::new(Marked::new));
        make_shared_part(&pool);
        drop((pool.get(), pool.get()));
        let sweeper = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                pool.clear();
                assert_eq!((pool.stats().idle, pool.stats().dropped.aged), (0, 2));
                drop(pool);
                end_of_thread();
            }
        });
        sweeper.join().unwrap();
        assert!(pool.try_get().is_none(), "survived the clear");
        drop(pool);
        end_of_thread();
    });
}
