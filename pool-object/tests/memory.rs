//! What the pool takes from and leaves with the allocator.

use pool_object::{Pool, static_pool};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{Barrier, Mutex},
    thread,
};

/// The system's allocator, with a tally for each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn tally(bytes: isize) {
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes));
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tally(layout.size().cast_signed());
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        tally(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls() -> usize {
    CALLS.get()
}

#[test]
fn a_hit_does_not_allocate() {
    let pool = Pool::new(|| [0u8; 64]);
    // Slot, magazine, and what shard and table grow by.
    let deep = 100;
    let mut out: Vec<_> = Vec::with_capacity(deep);
    for _ in 0..2 {
        out.extend((0..deep).map(|_| pool.get()));
        out.clear();
    }
    let before = calls();
    for _ in 0..1000 {
        pool.get()[0] ^= 1;
    }
    for _ in 0..100 {
        out.extend((0..deep).map(|_| pool.get()));
        out.clear();
    }
    assert_eq!(calls(), before);
    assert!(pool.stats().hits.shard > 0, "the shards were in it too");
    drop(pool.get_or_else(|| unreachable!("one is idle")));
    assert!(calls() == before, "nor does a hit with another create");
}

#[test]
fn a_hit_of_a_static_pool_does_not_allocate() {
    static_pool! {
        static PAGES: Pool<[u8; 64]> = Pool::from_fn(|| [0; 64]);
    }
    // The front's, the slot's, the magazine's.
    drop([(); 10].map(|()| PAGES.get()));
    let before = calls();
    for _ in 0..3000 {
        let mut pages = [(); 3].map(|()| PAGES.get());
        pages[0][0] ^= 1;
    }
    assert_eq!((calls(), PAGES.stats().misses), (before, 10));
}

#[cfg(feature = "bytes")]
#[test]
fn a_buffer_that_is_found_does_not_allocate_and_freezing_it_does_once() {
    use bytes::BufMut;
    use pool_object::BufferPool;

    static POOL: BufferPool = BufferPool::new();
    let write = || {
        let mut buf = POOL.get(100);
        // Moves twice.
        buf.put_bytes(1, 1000);
        buf
    };
    drop((write(), write()));
    let before = calls();
    for _ in 0..3000 {
        drop((write(), write()));
    }
    assert_eq!(calls(), before);
    // What `Bytes` counts its clones in comes and goes.
    drop(write().freeze());
    assert_eq!(calls(), before + 2);
}

#[test]
fn the_tally_sees_a_miss() {
    let pool = Pool::new(|| [0u8; 64]);
    let before = calls();
    drop(pool.get());
    assert!(calls() > before);
}

/// Has this thread's table grow, and the registry, for more pools at a time than all tests
/// have: so that they need not grow later, as those of other tests take the low indices.
fn make_room() {
    // One at a time: two of them have more pools than either makes room for.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let pools = [(); 100].map(|()| Pool::new(|| [0u8; 100]));
    pools.iter().for_each(|pool| drop(pool.get()));
}

#[test]
fn short_lived_pools_leave_nothing_behind() {
    let pools = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let use_one = || {
        let pool = Pool::new(|| [0u8; 100]);
        drop((pool.get(), pool.get(), pool.get()));
    };
    make_room();
    let before = BYTES.get();
    (0..pools).for_each(|_| use_one());
    assert_eq!(BYTES.get(), before);
}

#[test]
fn pools_dropped_on_another_thread_leave_nothing_with_those_that_used_them() {
    let (made, used, gone) = (Barrier::new(2), Barrier::new(2), Barrier::new(2));
    let slot = Mutex::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                *slot.lock().unwrap() = Some(std::sync::Arc::new(Pool::new(|| [0u8; 100])));
                made.wait();
                used.wait();
                let weak = std::sync::Arc::downgrade(&slot.lock().unwrap().take().unwrap());
                assert!(weak.upgrade().is_none(), "this was the last handle");
                gone.wait();
            }
        });
        scope.spawn(|| {
            make_room();
            let mut cached = Vec::with_capacity(100);
            for _ in 0..100 {
                made.wait();
                let pool = slot.lock().unwrap().clone().unwrap();
                let before = BYTES.get();
                drop(pool.get());
                cached.push(BYTES.get() - before);
                drop(pool);
                used.wait();
                gone.wait();
            }
            // A pool costs its user the object and the cache, both of which go with the
            // pool.
            assert!(cached.iter().all(|&bytes| bytes == cached[0]), "{cached:?}");
        });
    });
}
