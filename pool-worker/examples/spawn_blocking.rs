//! A drop-in for `tokio::task::spawn_blocking` whose wait can be seen, whose
//! queue has a bound, and whose jobs can be called off while they wait.
//!
//! `cargo run --release -p pool-worker --example spawn_blocking --features tokio`

use std::sync::LazyLock;
use std::time::Duration;

use pool_worker::threads::Pool;
use pool_worker::{Handle, Reason};

/// With the threads and the patience of tokio's own, and a queue that ends.
static BLOCKING: LazyLock<Pool> = LazyLock::new(|| {
    Pool::builder()
        .name("blocking")
        .capacity(512)
        .queue(4096)
        .idle_timeout(Duration::from_secs(10))
        .build()
});

/// Never blocks the runtime: a full pool is an error here.
fn spawn_blocking<F, R>(job: F) -> Result<Handle<R>, Reason>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    BLOCKING.try_spawn(job).map_err(|full| full.reason())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // More than there is room for: the rest is told so, at once.
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for number in 0..6_000u64 {
        let job = move || {
            std::thread::sleep(Duration::from_millis(1));
            number
        };
        match spawn_blocking(job) {
            Ok(handle) => accepted.push(handle),
            Err(_full) => refused += 1,
        }
    }
    // Which tokio tells nobody: how many wait, and for how long the oldest has.
    println!(
        "{} jobs wait, {refused} were refused",
        BLOCKING.stats().queued
    );
    println!("the oldest has waited {:?}", BLOCKING.oldest_waiting());

    // The last ones are no longer needed: those that wait never start.
    let last = accepted.split_off(accepted.len() - 100);
    let cancelled = last.iter().filter(|handle| handle.cancel()).count();

    let awaited = accepted.len();
    for handle in accepted {
        handle.await?;
    }
    println!("{awaited} ended, {cancelled} were called off");
    println!("schedule delay: {:?}", BLOCKING.delay());
    println!(
        "on {} threads, which leave in 10 s",
        BLOCKING.stats().workers
    );
    Ok(())
}
