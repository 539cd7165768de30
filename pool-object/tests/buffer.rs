//! What a user of `BufferPool` sees.
#![cfg(feature = "bytes")]

use bytes::{BufMut, Bytes};
use pool_object::BufferPool;
use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Barrier},
    task::{Context, Poll},
    thread,
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

#[test]
fn a_buffer_has_the_capacity_asked_for_and_starts_empty() {
    let pool = BufferPool::new();
    for capacity in [0, 1, 256, 257, 4096, 100_000, 1 << 20, (1 << 20) + 1] {
        let mut buf = pool.get(capacity);
        assert!(buf.is_empty() && buf.capacity() >= capacity);
        buf.put_bytes(1, capacity);
        assert_eq!(buf.len(), capacity);
    }
}

#[test]
fn it_is_written_and_read_in_every_way() {
    let pool = BufferPool::new();
    let mut buf = pool.get(16);
    buf.put_u16(0x0930);
    write!(buf, "ab").unwrap();
    buf.extend_from_slice(b"cd");
    buf.put_slice(b"e");
    buf[2] = b'A';
    assert_eq!(&buf[..], b"\x09\x30Abcde");
    buf.truncate(3);
    buf.resize(5, 0);
    assert_eq!(&buf[..], b"\x09\x30A\0\0");
    buf.clear();
    assert!(buf.is_empty());
}

#[test]
fn a_full_buffer_moves_to_a_larger_class_and_sends_the_old_memory_home() {
    let pool = BufferPool::new();
    let mut buf = pool.get(256);
    for byte in 0..=255u8 {
        buf.put_bytes(byte, 40);
    }
    let expected: Vec<u8> = (0..=255u8).flat_map(|byte| [byte; 40]).collect();
    assert_eq!(&buf[..], &expected[..]);
    assert_eq!(buf.capacity(), 16_384);
    let idle: Vec<_> = pool
        .stats_by_class()
        .filter(|(_, stats)| stats.idle == 1)
        .map(|(size, _)| size)
        .collect();
    assert_eq!(idle, [256, 512, 1024, 2048, 4096, 8192]);
}

#[test]
fn chunks_are_never_empty_and_never_leave_the_size_classes() {
    let pool = BufferPool::new();
    let mut buf = pool.get(256);
    buf.put_bytes(0, 256);
    assert_ne!(buf.chunk_mut().len(), 0);
    assert_eq!(buf.capacity(), 512);
}

#[test]
fn the_last_clone_brings_the_memory_home() {
    static POOL: BufferPool = BufferPool::new();
    let mut buf = POOL.get(1000);
    buf.put_slice(b"hello world");
    let frozen = buf.freeze();
    let part = frozen.slice(6..);
    drop(frozen);
    assert_eq!(POOL.stats().idle, 0);
    let address = part.as_ptr() as usize - 6;
    thread::spawn(move || assert_eq!(&part[..], b"world"))
        .join()
        .unwrap();
    assert_eq!(POOL.stats().idle, 1);
    assert_eq!(POOL.get(1000).as_ptr() as usize, address);
}

#[test]
fn bytes_outlive_the_last_handle_of_their_pool() {
    let pool = Arc::new(BufferPool::new());
    let mut buf = pool.get_owned(10);
    buf.put_slice(b"still here");
    let frozen = buf.freeze();
    let weak = Arc::downgrade(&pool);
    drop(pool);
    assert_eq!(&frozen[..], b"still here");
    drop(frozen);
    assert!(weak.upgrade().is_none());
}

#[test]
fn bytes_come_home_from_many_threads_while_the_pool_goes() {
    for _ in 0..200 {
        let pool = Arc::new(BufferPool::new());
        let weak = Arc::downgrade(&pool);
        let frozen: Vec<Bytes> = (0..32u8)
            .map(|i| {
                let mut buf = pool.get_owned(64);
                buf.put_bytes(i, 64);
                buf.freeze()
            })
            .collect();
        thread::scope(|scope| {
            for half in [0, 16] {
                let part: Vec<_> = frozen[half..half + 16].to_vec();
                scope.spawn(move || {
                    for (i, bytes) in part.into_iter().enumerate() {
                        assert!(bytes.iter().all(|&byte| byte as usize == half + i));
                    }
                });
            }
            scope.spawn(move || drop(pool));
            drop(frozen);
        });
        assert!(weak.upgrade().is_none());
    }
}

#[test]
fn an_empty_buffer_freezes_to_nothing_and_goes_straight_home() {
    static POOL: BufferPool = BufferPool::new();
    assert!(POOL.get(100).freeze().is_empty());
    assert_eq!(POOL.stats().idle, 1);
}

#[test]
fn oversized_buffers_are_not_kept() {
    let pool = BufferPool::new();
    drop(pool.get((1 << 20) + 1));
    let mut grown = pool.get(1 << 20);
    grown.put_bytes(0, (1 << 20) + 1);
    drop(grown);
    let stats = pool.stats();
    assert_eq!((stats.dropped.oversized, stats.idle), (2, 1));
    assert_eq!(pool.idle_bytes(), 1 << 20);
}

#[test]
fn idle_bytes_stay_under_their_bound() {
    const BOUND: usize = 13 * 16 * 1024;
    let pool = BufferPool::new().max_idle_bytes(BOUND);
    let use_many = |capacity| drop((0..100).map(|_| pool.get(capacity)).collect::<Vec<_>>());
    for capacity in [256, 4096, 16 * 1024] {
        use_many(capacity);
    }
    assert_eq!(pool.idle_bytes(), (64 * 256 + 4 * 4096 + 16 * 1024) as u64);
    // None of these fits, whatever it has the bytes dealt anew.
    use_many(1 << 20);
    assert!(pool.idle_bytes() <= BOUND as u64);
    assert_eq!(pool.stats_by_class().last().unwrap().1.idle, 0);
}

#[test]
fn a_vector_taken_out_does_not_come_home() {
    let pool = BufferPool::new();
    let mut buf = pool.get(10);
    buf.put_slice(b"mine");
    assert_eq!(buf.into_vec(), b"mine");
    assert_eq!((pool.stats().idle, pool.idle_bytes()), (0, 0));
}

#[test]
fn clear_frees_all_classes() {
    let pool = BufferPool::new();
    drop((pool.get(10), pool.get(10_000)));
    pool.clear();
    assert_eq!((pool.idle_bytes(), pool.stats().dropped.aged), (0, 2));
}

#[test]
fn memory_is_kept_for_the_sizes_that_are_asked_for() {
    const BOUND: usize = 13 * 100_000;
    let pool = BufferPool::new().max_idle_bytes(BOUND);
    let idle_of = |size| {
        let buffers: Vec<_> = (0..500).map(|_| pool.get(size)).collect();
        drop(buffers);
        assert!(pool.idle_bytes() <= BOUND as u64);
        let stats = pool.stats_by_class().find(|&(class, _)| class == size);
        stats.expect("a class").1.idle
    };
    let even = idle_of(4096);
    assert!((15..=24).contains(&even), "{even}");
    pool.trim();
    let most = idle_of(4096);
    assert!(most > 8 * even, "{most} after {even}");
    // Another size comes into use, and takes over.
    for _ in 0..5 {
        idle_of(16_384);
        pool.trim();
    }
    assert!(idle_of(16_384) > 30);
    assert!(idle_of(4096) < most / 2);
}

#[test]
fn oversized_requests_take_no_memory_from_the_sizes_that_are_kept() {
    let pool = BufferPool::new().max_idle_bytes(13 * 100_000);
    let fill = || {
        let buffers: Vec<_> = (0..300).map(|_| pool.get(4096)).collect();
        drop(buffers);
        pool.idle_bytes()
    };
    fill();
    (0..300).for_each(|_| drop(pool.get(2 << 20)));
    pool.trim();
    assert!(fill() > 1_000_000, "{}", pool.idle_bytes());
    let (largest, stats) = pool.stats_by_class().last().unwrap();
    assert_eq!((largest, stats.misses), (1 << 20, 0));
    assert!(pool.stats().misses >= 600);
}

#[test]
fn a_size_that_is_used_often_and_lacks_nothing_needs_no_more_than_it_has() {
    let pool = BufferPool::new().max_idle_bytes(13 * 100_000);
    let one = |size| (0..100_000).for_each(|_| drop(pool.get(size)));
    let many = |size| drop((0..200).map(|_| pool.get(size)).collect::<Vec<_>>());
    for _ in 0..3 {
        one(16_384);
        many(4096);
        pool.trim();
    }
    many(4096);
    let of = |size| pool.stats_by_class().find(|&(class, _)| class == size);
    assert!(of(4096).unwrap().1.idle > 150, "{:?}", of(4096));
    assert_eq!(of(16_384).unwrap().1.idle, 1);
}

#[test]
fn a_size_that_finds_all_it_needs_keeps_it_though_others_miss() {
    let pool = BufferPool::new().max_idle_bytes(13 * 100_000);
    let many = || drop((0..200).map(|_| pool.get(4096)).collect::<Vec<_>>());
    let misses = || {
        let mut classes = pool.stats_by_class();
        classes.find(|&(class, _)| class == 4096).unwrap().1.misses
    };
    for _ in 0..3 {
        many();
        pool.trim();
    }
    let before = misses();
    for _ in 0..20 {
        many();
        // Taken out of the pool, so one that has to be made each time.
        drop(pool.get(512).into_vec());
        pool.trim();
    }
    assert_eq!(misses(), before);
}

#[test]
fn what_went_out_of_use_is_trimmed_while_another_size_is_used() {
    let pool = BufferPool::new().trim_every(Duration::ZERO);
    drop([(); 10].map(|()| pool.get(100_000)));
    assert_eq!(pool.idle_bytes(), 10 << 17);
    (0..5000).for_each(|_| drop(pool.get(100)));
    assert_eq!((pool.idle_bytes(), pool.stats().dropped.aged), (256, 10));
}

#[test]
fn the_figures_are_in_bytes() {
    let pool = BufferPool::new().max_idle_bytes(13 * 8192);
    drop([(); 3].map(|()| pool.get(4096)));
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.idle_weight), (2, 8192));
    assert_eq!((stats.dropped.byte_budget, stats.dropped.full), (1, 0));
}

#[test]
fn more_than_memory_can_hold_is_a_panic_and_no_cut() {
    let pool = BufferPool::new();
    let mut buf = pool.get(16);
    buf.put_slice(b"kept");
    for count in [usize::MAX, usize::MAX - 3, isize::MAX as usize] {
        let grown = catch_unwind(AssertUnwindSafe(|| buf.put_bytes(0, count)));
        assert!(grown.is_err());
        let grown = catch_unwind(AssertUnwindSafe(|| buf.reserve(count)));
        assert!(grown.is_err());
        assert_eq!(&buf[..], b"kept");
    }
}

#[test]
fn the_bound_on_bytes_can_be_changed() {
    let pool = BufferPool::new();
    let fill = || drop((0..100).map(|i| pool.get(1000 * i)).collect::<Vec<_>>());
    fill();
    assert!(pool.idle_bytes() > 1_000_000);
    pool.set_max_idle_bytes(500_000);
    assert!(
        pool.idle_bytes() <= 500_000 + (1 << 17),
        "the slots' objects at most"
    );
    fill();
    assert!(pool.idle_bytes() <= 500_000 + (1 << 17));
    pool.set_max_idle_bytes(5_000_000);
    fill();
    assert!(pool.idle_bytes() > 1_000_000);
}

/// Each of many threads that sleep keeps a place for a large one, and the bytes are dealt
/// to others meanwhile.
#[test]
fn what_threads_hold_on_to_is_not_dealt_to_other_sizes() {
    const THREADS: usize = 24;
    const BOUND: u64 = 32 << 20;
    let pool = BufferPool::new().max_idle_bytes(BOUND as usize);
    let (pool, all) = (&pool, &Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                for _ in 0..8 {
                    let large = pool.get(1 << 20);
                    all.wait();
                    drop(large);
                    all.wait();
                    all.wait();
                }
                all.wait();
                drop(pool.get(1 << 20));
                all.wait();
                all.wait();
            });
        }
        for _ in 0..8 {
            all.wait();
            all.wait();
            pool.trim();
            all.wait();
        }
        for _ in 0..12 {
            drop((0..8000).map(|_| pool.get(4096)).collect::<Vec<_>>());
            pool.trim();
        }
        drop((0..8000).map(|_| pool.get(4096)).collect::<Vec<_>>());
        all.wait();
        all.wait();
        assert!(pool.idle_bytes() <= BOUND, "{}", pool.idle_bytes());
        all.wait();
    });
}

#[test]
fn a_size_whose_even_share_is_too_small_is_kept_once_it_is_asked_for() {
    let pool = BufferPool::new().max_idle_bytes(4 << 20);
    (0..3).for_each(|_| drop(pool.get(1 << 20)));
    assert_eq!((pool.stats().misses, pool.stats().hits.total()), (1, 2));
}

#[test]
fn a_reader_reads_into_it_as_it_is() {
    /// Gives its bytes in pieces, and says how much room it was shown.
    struct Reader(Vec<u8>, Vec<usize>);
    impl AsyncRead for Reader {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Self(left, rooms) = self.get_mut();
            rooms.push(room.remaining());
            assert!(room.initialized().is_empty(), "nothing was zeroed");
            let piece = left.len().min(room.remaining()).min(200);
            room.put_slice(&left.drain(..piece).collect::<Vec<_>>());
            Poll::Ready(Ok(()))
        }
    }
    let bytes: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    let pool = BufferPool::new();
    let mut buf = pool.get(256);
    let mut reader = Reader(bytes.clone(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .unwrap()
        .block_on(async { while reader.read_buf(&mut buf).await.unwrap() > 0 {} });
    assert_eq!(&buf[..], &bytes[..]);
    assert_eq!(reader.1, [256, 56, 256, 56, 512, 312, 112, 24]);
    assert_eq!(pool.stats().idle, 2, "the memories that it outgrew");
}
