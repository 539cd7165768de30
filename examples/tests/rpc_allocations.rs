//! On the steady path a call allocates nothing: not for its frame, its
//! context, its filters, its future, nor its reply. A read, which brings as many calls
//! as there are, allocates once. And what a peer says of lengths costs no memory.

mod rpc_peer;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use rpc_demo::server::filter::auth;
use rpc_demo::server::{PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::compress::{CompressError, compress, decompress};
use rpc_demo::wire::{Encoding, RequestProtocol};
use rpc_peer::{ECHO, head, request};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes that are there, and the most that there were.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn count(more: usize, less: usize) {
    let before = LIVE.fetch_add(more, Relaxed);
    PEAK.fetch_max(before + more, Relaxed);
    LIVE.fetch_sub(less, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        count(layout.size(), 0);
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The tests of this file count all that their process does: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

const READS: usize = 200;

/// Allocations a read once all is warm, filters and all, where each read brings `depth`
/// of these requests.
fn allocations_a_read(service: Service, request: &[u8], depth: usize) -> f64 {
    // One thread, so that what runs is the same each time.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let service = service
        .layer(auth(|_| Ok(())))
        .raw("Echo", |_, body| async move { Ok(body) });
    let mut server = Server::new(ServerOptions::default());
    let addr = runtime
        .block_on(server.serve(service, "127.0.0.1:0"))
        .unwrap();
    let mut peer = TcpStream::connect(addr).unwrap();
    peer.write_all(request).unwrap();
    let mut reply = vec![0; 4096];
    let length = peer.read(&mut reply).unwrap();
    let (all, mut replies) = (request.repeat(depth), vec![0; length * depth]);
    let mut round = || {
        peer.write_all(&all).unwrap();
        peer.read_exact(&mut replies).unwrap();
    };
    (0..50).for_each(|_| round());
    let before = ALLOCATIONS.load(Relaxed);
    (0..READS).for_each(|_| round());
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    assert_eq!(server.stats().errors, [].into());
    allocations as f64 / READS as f64
}

#[test]
fn a_call_allocates_nothing_and_a_read_once() {
    let _alone = ALONE.lock();
    let service = || Service::new("Echo", "rpcdemo.Echo");
    let pool = PoolOptions {
        capacity: 128,
        queue: 4096,
    };
    let plain = head(1, ECHO, 4);
    let in_time = RequestProtocol {
        timeout: 60_000,
        ..plain.clone()
    };
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let named = RequestProtocol {
        trans_info: [("request-id".to_owned(), id.into())].into(),
        ..in_time.clone()
    };
    // Metadata is a map: a node, and a name. Nothing else asks for memory, a call.
    for (what, head, a_call) in [
        ("plain", plain, 0),
        ("in time", in_time, 0),
        ("id", named, 2),
    ] {
        let request = request(&head, b"hello");
        for depth in [1, 64] {
            for (name, service) in [("inline", service()), ("pooled", service().pooled(pool))] {
                let found = allocations_a_read(service, &request, depth);
                let calls = (a_call * depth) as f64;
                // The one of the read, which is shared by the bodies of its requests;
                // seldom are the requests of a write read in two.
                assert!(
                    found < calls + 1.5,
                    "{what}, {name}, {depth}: {found} allocations a read"
                );
            }
        }
    }
}

#[test]
fn a_decompression_bomb_costs_no_more_memory_than_is_let_in() {
    let _alone = ALONE.lock();
    const MAX: usize = 1 << 20;
    for encoding in Encoding::ALL {
        let Some(bomb) = compress(encoding, &vec![0; 16 * MAX]).unwrap() else {
            // Is not made by us when it grows so much.
            continue;
        };
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let refused = decompress(encoding, bomb, MAX).unwrap_err();
        assert!(
            matches!(refused, CompressError::TooLong { .. }),
            "{refused}"
        );
        let most = PEAK.load(Relaxed).saturating_sub(before);
        // A vector that doubles is there beside the one before it, and an LZ4 frame has
        // blocks of up to 4 MiB.
        assert!(most <= 3 * MAX + (8 << 20), "{encoding}: {most} bytes");
    }
}
