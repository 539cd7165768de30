//! The front of a static pool: opened, used and closed by its thread, while another
//! sweeps, gets, or looks at the figures.
#![cfg(loom_models)]

use loom::{
    cell::UnsafeCell,
    thread::{self, LocalKey},
};
use pool_object::{
    __private::{Front, get},
    Guard, Pool, StaticPool, end_of_thread,
};

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

impl Drop for Marked {
    fn drop(&mut self) {
        self.mark();
    }
}

/// What `static_pool!` makes, with loom's statics.
#[derive(Clone, Copy)]
struct Marks;

loom::lazy_static! {
    static ref POOL: &'static Pool<Marked> = Box::leak(Box::new(Pool::from_fn(Marked::new)));
}
loom::thread_local! { static FRONT: Front<Marked> = Front::new(); }

impl StaticPool for Marks {
    type Object = Marked;
    type Policy = fn() -> Marked;

    fn pool() -> &'static Pool<Marked> {
        *POOL
    }

    fn front() -> &'static LocalKey<Front<Marked>> {
        &FRONT
    }
}

/// One thread uses the pool by its front and ends, another is at the pool meanwhile; then
/// all is counted. All interleavings of whole pools are too many, see `loom_sweep`: those
/// with so many switches where none is due.
fn race(
    switches: usize,
    worker: impl Fn() + Copy + Send + Sync + 'static,
    other: impl Fn(&Pool<Marked>) + Copy + Send + Sync + 'static,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches);
    model.check(move || {
        let pool = Marks::pool();
        // Before the threads start: that its shared part is made once is `once_cell`'s
        // business, whose edges loom does not see.
        assert!(pool.try_get().is_none());
        let worker = thread::spawn(worker);
        other(pool);
        worker.join().unwrap();
        let stats = pool.stats();
        // What came back is idle still or was swept, and nothing else.
        assert_eq!(stats.idle + stats.dropped.aged, stats.misses, "{stats:?}");
        let found: Vec<_> = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).collect();
        found.iter().for_each(|object| object.mark());
        assert_eq!(found.len() as u64, stats.idle);
        end_of_thread();
        // SAFETY: leaked above, and the threads that used it have ended. (One that is in
        // a static stays; here there is one for each execution.)
        drop(unsafe { Box::from_raw(std::ptr::from_ref(pool).cast_mut()) });
    });
}

fn use_twice() {
    get(Marks).mark();
    get(Marks).mark();
}

/// Rules out that a sweeper and the owner both have what is in a front, or neither, also
/// as it is being opened.
///
/// Fails if the front is opened without the list's lock, or if the sweep passes it by or
/// does not wait for a take from it.
#[test]
fn a_clear_races_the_opening_and_the_uses_of_a_front() {
    race(
        2,
        || {
            use_twice();
            end_of_thread();
        },
        Pool::clear,
    );
}

/// Rules out that a trim takes for unused what is used between its look and its take.
///
/// Fails as that does.
#[test]
fn two_trims_race_the_uses_of_a_front() {
    race(
        2,
        || {
            use_twice();
            end_of_thread();
        },
        |pool| {
            pool.trim();
            pool.trim();
        },
    );
}

/// Rules out that what is in the front of an ending thread is lost or found twice, that
/// somebody looks at a front whose thread is gone, and that what the thread puts back
/// later, in a destructor, ends in the front that nobody has in charge any more.
///
/// Fails if the end forgets the front, or leaves it open.
#[test]
fn a_thread_retires_its_front_while_another_uses_the_pool() {
    race(
        1,
        || {
            get(Marks).mark();
            let late = get(Marks);
            get(Marks).mark();
            end_of_thread();
            drop(late);
            // Here the thread may have a cache again, which a real one has not.
            end_of_thread();
        },
        |pool| {
            drop(pool.try_get());
            pool.clear();
        },
    );
}
