//! The last clone of a frozen buffer comes home while the pool goes.
//!
//! The reference count of `Bytes` is not loom's, so what it decides is taken as
//! given: here it is what the last clone sets going that is modelled.
#![cfg(all(loom_models, feature = "bytes"))]

use bytes::BufMut;
use loom::{sync::Arc, thread};
use pool_object::{BufferPool, end_of_thread, parts::buffer};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::Deref,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicIsize, Ordering},
    },
};

/// What the buffers of the models hold. Nothing else has this size and no alignment.
const SIZE: usize = 8192;

/// How many such memories there are.
static ALIVE: AtomicIsize = AtomicIsize::new(0);

/// One model at a time, for they share the count.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn is_a_buffers(layout: Layout) -> bool {
    layout.size() == SIZE && layout.align() == 1
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_a_buffers(layout) {
            ALIVE.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if is_a_buffers(layout) {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) };
    }
}

/// A share of the pool.
struct Share(Arc<BufferPool>);

impl Deref for Share {
    type Target = BufferPool;

    fn deref(&self) -> &BufferPool {
        &self.0
    }
}

/// Rules out that the memory is freed twice or not at all, whether it comes home to a
/// pool that lives on, or its own share of the pool is the last, and the pool goes in
/// the middle of the way home.
///
/// Fails if the end of a thread loses what its cache holds, or the buffer's drop its
/// memory.
#[test]
fn the_last_clone_comes_home_while_the_pool_goes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    loom::model(|| {
        let pool = Arc::new(BufferPool::new());
        let mut written = buffer(Share(Arc::clone(&pool)), SIZE);
        written.put_slice(b"frozen");
        let frozen = written.freeze();
        let part = frozen.slice(2..4);
        let reader = thread::spawn(move || {
            assert_eq!(&part[..], b"oz");
            drop(part);
            end_of_thread();
        });
        drop(frozen);
        drop(pool);
        reader.join().unwrap();
        end_of_thread();
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0, "lost, or freed twice");
    });
}

/// Rules out that a memory that came home on another thread is lost to the pool, or
/// handed out twice.
///
/// Fails if the end of that thread loses what its cache holds.
#[test]
fn what_came_home_on_another_thread_is_handed_out_again() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    loom::model(|| {
        let pool = Arc::new(BufferPool::new());
        let mut written = buffer(Share(Arc::clone(&pool)), SIZE);
        written.put_slice(b"frozen");
        let frozen = written.freeze();
        let reader = thread::spawn(move || {
            drop(frozen);
            end_of_thread();
        });
        // Meanwhile the pool is asked for one more.
        drop(buffer(Share(Arc::clone(&pool)), SIZE));
        reader.join().unwrap();
        let stats = pool.stats();
        assert_eq!(stats.returned(), 2);
        assert_eq!(stats.idle, stats.misses);
        assert_eq!(ALIVE.load(Ordering::SeqCst), stats.idle as isize);
        drop(pool);
        end_of_thread();
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    });
}
