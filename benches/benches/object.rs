//! Object pools: `cargo bench -p benches --bench object`.
//!
//! The names are those of the comparison's cases, so that figures can be matched.

use benches::seen::seen;
use bytes::BufMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pool_object::{BufferPool, Home, Loan, Pool};
use std::{
    cell::Cell,
    hint::black_box,
    ptr,
    sync::{
        atomic::{Ordering, compiler_fence},
        mpsc,
    },
    thread,
    time::Instant,
};

const SIZE: usize = 4096;

pool_object::static_pool! {
    static STATIC: Pool<Vec<u8>> = Pool::from_fn(|| vec![0; SIZE]);
}
static BUFFERS: BufferPool = BufferPool::new();

fn touch<H: Home<Object = Vec<u8>>>(mut object: Loan<H>, n: u64) {
    object[0] = n.to_le_bytes()[0];
    seen(object.as_mut_ptr());
}

fn get_put(c: &mut Criterion) {
    let pool: Pool<Vec<u8>> = Pool::from_fn(|| vec![0; SIZE]);
    let mut group = c.benchmark_group("object");
    group.bench_function("get_put/1t", |b| {
        b.iter_custom(|pairs| {
            let start = Instant::now();
            (0..pairs).for_each(|n| touch(pool.get(), n));
            start.elapsed()
        });
    });
    // Wall time of all pairs together, half of them on each thread.
    group.bench_function("get_put/2t", |b| {
        b.iter_custom(|pairs| {
            let start = Instant::now();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| (0..pairs.div_ceil(2)).for_each(|n| touch(pool.get(), n)));
                }
            });
            start.elapsed()
        });
    });
    group.bench_function("static/1t", |b| {
        b.iter_custom(|pairs| {
            let start = Instant::now();
            (0..pairs).for_each(|n| touch(STATIC.get(), n));
            start.elapsed()
        });
    });
    group.finish();
}

fn handoff(c: &mut Criterion) {
    let pool: Pool<Vec<u8>> = Pool::from_fn(|| vec![0; SIZE]);
    c.bench_function("object/handoff", |b| {
        b.iter_custom(|objects| {
            let (sender, receiver) = mpsc::sync_channel(1024);
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(move || receiver.into_iter().for_each(drop));
                for n in 0..objects {
                    let mut object = pool.get();
                    object[0] = n.to_le_bytes()[0];
                    sender.send(object).expect("the receiver lives");
                }
                drop(sender);
            });
            start.elapsed()
        });
    });
}

fn buffer(c: &mut Criterion) {
    let page = vec![7; SIZE];
    let mut group = c.benchmark_group("object/buffer");
    group.bench_function("get_put", |b| {
        b.iter(|| drop(black_box(BUFFERS.get(SIZE))));
    });
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.bench_function("4k", |b| {
        b.iter(|| {
            let mut buffer = BUFFERS.get(SIZE);
            buffer.put_slice(black_box(&page));
            black_box(buffer.freeze())
        });
    });
    group.finish();
}

/// What a hit is made of: the floor under `get_put` and `static`.
fn parts(c: &mut Criterion) {
    thread_local! {
        static CELL: Cell<*mut Vec<u8>> = const { Cell::new(ptr::null_mut()) };
        static FLAGGED: (Cell<*mut Vec<u8>>, Cell<usize>) =
            const { (Cell::new(ptr::null_mut()), Cell::new(0)) };
    }
    fn touch(object: &mut Vec<u8>) {
        object.push(1);
        seen(object.as_mut_ptr());
        object.clear();
    }
    let mut group = c.benchmark_group("object/parts");
    let mut object = Vec::with_capacity(SIZE);
    group.bench_function("touch", |b| b.iter(|| touch(black_box(&mut object))));
    // The object is never given up: the cells hold what `object` owns.
    let mut object = Vec::with_capacity(SIZE);
    CELL.set(&raw mut object);
    group.bench_function("cell", |b| {
        b.iter(|| {
            let taken = CELL.replace(ptr::null_mut());
            // SAFETY: `object` lives, and only the cell points to it.
            touch(unsafe { &mut *taken });
            CELL.set(taken);
        });
    });
    FLAGGED.with(|(cell, _)| cell.set(&raw mut object));
    group.bench_function("cell, flag and count", |b| {
        b.iter(|| {
            let taken = FLAGGED.with(|(cell, takes)| {
                let before = takes.get();
                takes.set(before + 1);
                compiler_fence(Ordering::SeqCst);
                let taken = cell.replace(ptr::null_mut());
                compiler_fence(Ordering::Release);
                takes.set(before + 2);
                taken
            });
            // SAFETY: as above.
            touch(unsafe { &mut *taken });
            FLAGGED.with(|(cell, _)| cell.set(taken));
        });
    });
    group.finish();
}

criterion_group!(benches, get_put, handoff, buffer, parts);
criterion_main!(benches);
