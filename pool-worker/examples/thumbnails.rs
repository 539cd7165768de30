//! Work that computes, on threads: a queue with a bound, one job that fails,
//! progress, and how long jobs waited.
//!
//! `cargo run --release -p pool-worker --example thumbnails`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pool_worker::threads::FuncPool;

struct Image {
    name: String,
    pixels: Vec<u8>,
}

/// Averages each block of 16 pixels into one.
fn shrink(image: &Image) -> Vec<u8> {
    assert!(!image.pixels.is_empty(), "{} is empty", image.name);
    let blocks = image.pixels.chunks(16);
    blocks
        .map(|block| (block.iter().map(|p| u32::from(*p)).sum::<u32>() / 16) as u8)
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shrunk = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&shrunk);
    let pool = FuncPool::builder()
        .name("thumbnails")
        .queue(64)
        .panic_handler(|panic| {
            let why = panic.message().unwrap_or("no message");
            eprintln!("a job of {:?} failed: {why}", panic.pool);
        })
        .build(move |image: Image| {
            let pixels = shrink(&image).len() as u64;
            sum.fetch_add(pixels, Ordering::Relaxed);
        });

    for number in 0..2_000 {
        let size = if number == 1_000 { 0 } else { 64 * 64 };
        // Waits while the queue is full, so memory stays bounded.
        pool.submit(Image {
            name: format!("image-{number}.raw"),
            pixels: vec![number as u8; size],
        })?;
        if number % 500 == 499 {
            let (stats, oldest) = (pool.stats(), pool.oldest_waiting().unwrap_or_default());
            println!(
                "{} of 2000 done, {} wait, the oldest for {oldest:?}",
                stats.ran, stats.queued
            );
        }
    }
    pool.close(Duration::from_secs(10))?;

    let stats = pool.stats();
    println!("shrunk {} images, {} failed", stats.ran, stats.panicked);
    println!("pixels left: {}", shrunk.load(Ordering::Relaxed));
    println!("in the queue: {:?}", pool.delay());
    println!("blocked:      {:?}", pool.blocked());
    println!("running:      {:?}", pool.run_time());
    Ok(())
}
