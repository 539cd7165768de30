//! Buffers written here, frozen, sent, and read on another thread, whose memory
//! comes home: `cargo run --features bytes --example buffers`.

use bytes::{BufMut, Bytes};
use pool_object::BufferPool;
use std::{sync::mpsc, thread};

static BUFFERS: BufferPool = BufferPool::new();

fn main() {
    let (sender, receiver) = mpsc::sync_channel::<Bytes>(16);
    let reader = thread::spawn(move || {
        receiver
            .into_iter()
            .map(|frame| frame.iter().map(|&byte| u64::from(byte)).sum::<u64>())
            .sum::<u64>()
    });
    for n in 0..10_000u32 {
        let mut frame = BUFFERS.get(1024);
        frame.put_u32(n);
        frame.put_bytes(1, 1000);
        sender.send(frame.freeze()).expect("the reader lives");
    }
    drop(sender);
    println!("sum of all bytes: {}", reader.join().expect("no panic"));
    let stats = BUFFERS.stats();
    println!(
        "10000 frames in {} buffers; idle now: {} bytes",
        stats.misses,
        BUFFERS.idle_bytes()
    );
}
