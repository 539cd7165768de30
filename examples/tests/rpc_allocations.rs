//! On the steady path a call allocates nothing: not for its frame, its
//! context, its filters, its future, nor its reply.

mod rpc_peer;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rpc_demo::server::filter::auth;
use rpc_demo::server::{PoolOptions, Server, ServerOptions, Service};
use rpc_peer::{ECHO, head, request};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Calls a read, all sent with one write.
const BATCH: usize = 64;
const BATCHES: usize = 200;

/// Allocations a call once all is warm, filters and all.
fn allocations_a_call(service: impl FnOnce() -> Service) -> f64 {
    // One thread, so that what runs is the same each time.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let service = service()
        .layer(auth(|_| Ok(())))
        .raw("Echo", |_, body| async move { Ok(body) });
    let mut server = Server::new(ServerOptions::default());
    let addr = runtime
        .block_on(server.serve(service, "127.0.0.1:0"))
        .unwrap();
    let mut peer = TcpStream::connect(addr).unwrap();
    let batch: Vec<u8> = (0..BATCH as u32)
        .flat_map(|id| request(&head(id + 1, ECHO, 4), b"hello"))
        .collect();
    peer.write_all(&request(&head(1, ECHO, 4), b"hello"))
        .unwrap();
    let mut reply = vec![0; 4096];
    let length = peer.read(&mut reply).unwrap();
    let mut replies = vec![0; length * BATCH];
    let mut round = || {
        peer.write_all(&batch).unwrap();
        peer.read_exact(&mut replies).unwrap();
    };
    (0..20).for_each(|_| round());
    let before = ALLOCATIONS.load(Relaxed);
    (0..BATCHES).for_each(|_| round());
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    assert_eq!(server.stats().errors, [].into());
    allocations as f64 / (BATCH * BATCHES) as f64
}

#[test]
fn a_call_allocates_nothing() {
    let service = || Service::new("Echo", "rpcdemo.Echo");
    let pool = PoolOptions {
        capacity: 128,
        queue: 4096,
    };
    for (name, found) in [
        ("inline", allocations_a_call(service)),
        ("pooled", allocations_a_call(|| service().pooled(pool))),
    ] {
        // One or two belong to the read, which brings many calls.
        assert!(
            found < 2.0 / BATCH as f64,
            "{name}: {found} allocations a call"
        );
    }
}
