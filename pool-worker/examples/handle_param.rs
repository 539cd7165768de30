//! The pool of a server's requests, as a Go server has it with `ants` and
//! `sync.Pool`:
//!
//! ```go
//! pool, err := ants.NewPoolWithFunc(size, func(args interface{}) {
//!     param, ok := args.(*handleParam)                    // a type is asserted
//!     report.ScheduleDelay.Set(time.Since(param.start))   // and a delay measured
//!     param.c.handleSync(param.req)
//!     param.reset()
//!     handleParamPool.Put(param)                          // to be taken again
//! })
//! ```
//!
//! Here the argument has its type, lies in the queue itself, so that there is
//! nothing to recycle, and the delay is measured for every job.
//!
//! `cargo run --release -p pool-worker --example handle_param`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pool_worker::threads::FuncPool;

struct Connection {
    replied: AtomicU64,
}

impl Connection {
    fn handle_sync(&self, request: &[u8]) {
        let sum: u64 = request.iter().map(|byte| u64::from(*byte)).sum();
        self.replied.fetch_add(sum, Relaxed);
    }
}

struct HandleParam {
    connection: Arc<Connection>,
    request: Vec<u8>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FuncPool::builder()
        .name("requests")
        .capacity(4)
        .queue(256)
        .panic_handler(|panic| eprintln!("a request of {:?} panicked", panic.pool))
        .build(|param: HandleParam| param.connection.handle_sync(&param.request));

    let connection = Arc::new(Connection {
        replied: AtomicU64::new(0),
    });
    let mut last_second = pool.window(Duration::from_secs(1));
    for number in 0..20_000u32 {
        // Waits when the server is behind, which slows down who reads frames.
        pool.submit(HandleParam {
            connection: Arc::clone(&connection),
            request: number.to_be_bytes().to_vec(),
        })?;
        if number % 5_000 == 4_999 {
            let recent = last_second.read();
            println!("{number}: {:?} in the last {:?}", recent.delay, recent.over);
            println!("  oldest waiting: {:?}", pool.oldest_waiting());
        }
    }
    pool.close(Duration::from_secs(5))?;

    let expected: u64 = (0..20_000u32)
        .flat_map(u32::to_be_bytes)
        .map(u64::from)
        .sum();
    assert_eq!(connection.replied.load(Relaxed), expected);
    println!("schedule delay: {:?}", pool.delay());
    println!("{:?}", pool.stats());
    Ok(())
}
