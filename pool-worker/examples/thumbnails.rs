//! Many small jobs over a few threads: `cargo run -p pool-worker --example thumbnails`.
//!
//! A producer that is faster than its workers is held back by the queue, and
//! the pool says for how long: the wait for a place and the wait for a worker
//! are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pool_worker::threads::FuncPool;

/// Shrinks a picture of `side` by `side` points to one point.
fn average(side: u64) -> u64 {
    let point = |at: u64| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    (0..side * side).map(point).sum::<u64>() / (side * side)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sum = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&sum);
    let pool = FuncPool::builder()
        .name("thumbnails")
        .capacity(2)
        .queue(16)
        .build(move |side: u64| {
            shared.fetch_add(average(side), Relaxed);
        });

    for picture in 0..500 {
        pool.submit(32 + picture % 96)?;
    }
    pool.close(Duration::from_secs(60))?;

    let stats = pool.stats();
    println!("{} pictures, sum {}", stats.ran, sum.load(Relaxed));
    for (what, waits) in [
        ("blocked in submit", pool.blocked()),
        ("schedule delay", pool.delay()),
        ("run time", pool.run_time()),
    ] {
        println!(
            "{what:>17}: p50 {:?}, p99 {:?}, max {:?}",
            waits.p50, waits.p99, waits.max
        );
    }
    Ok(())
}
