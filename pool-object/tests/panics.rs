//! Callers' code that panics.

mod tracked;

use pool_object::{Policy, Pool, Stats, static_pool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
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
    assert_eq!(pool.stats(), Stats::default());
    drop(pool.get());
    assert_eq!((pool.stats().misses, pool.stats().idle), (1, 1));
}

struct Unweighable(Arc<AtomicUsize>);

impl Policy<Tracked> for Unweighable {
    fn create(&self) -> Tracked {
        Tracked::new(&self.0)
    }
    fn weigh(&self, _: &Tracked) -> usize {
        panic!("in weigh")
    }
}

#[test]
fn an_object_whose_weighing_panics_is_dropped_and_counted() {
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

#[test]
fn an_object_made_ahead_whose_weighing_panics_is_counted_as_made_and_dropped() {
    let alive = Arc::default();
    let pool = Pool::new(Unweighable(Arc::clone(&alive)));
    assert!(catch_unwind(AssertUnwindSafe(|| pool.prewarm(3))).is_err());
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    let stats = pool.stats();
    assert_eq!(
        (stats.prewarmed, stats.dropped.panicked, stats.idle),
        (1, 1, 0)
    );
    assert_eq!(stats.returned(), 0);
}

/// Objects of which one panics as it is dropped, when told so.
#[derive(Default)]
struct Fused {
    alive: Arc<AtomicUsize>,
    lit: Arc<AtomicBool>,
}

struct Charge {
    _tracked: Tracked,
    _fuse: Fuse,
}

struct Fuse(Arc<AtomicBool>);

impl Drop for Fuse {
    fn drop(&mut self) {
        assert!(!self.0.swap(false, Ordering::Relaxed), "in drop");
    }
}

impl Fused {
    fn charge(&self) -> Charge {
        Charge {
            _tracked: Tracked::new(&self.alive),
            _fuse: Fuse(Arc::clone(&self.lit)),
        }
    }

    /// Calls it until a drop has panicked in it; then nothing is lost, nor uncounted.
    fn goes_off_in(&self, call: impl Fn(), stats: impl Fn() -> Stats) {
        self.lit.store(true, Ordering::Relaxed);
        while catch_unwind(AssertUnwindSafe(&call)).is_ok() {}
        assert!(!self.lit.load(Ordering::Relaxed));
        let (alive, stats) = (self.alive.load(Ordering::Relaxed), stats());
        assert_eq!(alive as u64, stats.idle, "{stats:?}");
        let came_in = stats.misses + stats.dropped.full;
        assert_eq!(came_in - stats.dropped.total(), stats.idle, "{stats:?}");
    }
}

#[test]
fn nothing_is_lost_when_a_trim_panics_that_a_get_has_set_off() {
    let fused = Fused::default();
    let pool = Pool::new(|| fused.charge()).trim_every(Duration::ZERO);
    // Two of them beyond the slot, where they age.
    drop([(); 3].map(|()| pool.get()));
    fused.goes_off_in(|| drop(pool.get()), || pool.stats());
}

#[test]
fn nor_when_it_was_a_get_of_a_static_pool() {
    static FUSED: LazyLock<Fused> = LazyLock::new(Fused::default);
    static_pool! {
        static CHARGES: Pool<Charge> =
            Pool::from_fn(|| FUSED.charge()).trim_every(Duration::ZERO);
    }
    drop([(); 5].map(|()| CHARGES.get()));
    FUSED.goes_off_in(|| drop(CHARGES.get()), || CHARGES.stats());
}

#[test]
fn nor_when_it_was_a_put_that_found_no_place() {
    let fused = Fused::default();
    let pool = Pool::new(|| fused.charge())
        .max_idle(2)
        .trim_when_full(Duration::ZERO);
    drop([(); 2].map(|()| pool.get()));
    // What is put is no charge itself: the panic comes from what has aged.
    let dud = || Charge {
        _tracked: Tracked::new(&fused.alive),
        _fuse: Fuse(Arc::default()),
    };
    fused.goes_off_in(|| pool.put(dud()), || pool.stats());
}
