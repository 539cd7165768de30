//! A producer and two consumers, shut down as it should be done, by ctrl-c or after
//! many orders: stop producing, close the channel, drain it, wait. Nothing is lost.
//!
//! ```sh
//! cargo run -p errgroup --example graceful_shutdown
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use errgroup::{Cause, Group};
use tokio::sync::{Mutex, mpsc, oneshot};

/// The event that stops it comes after so many; more are made until it is seen.
const ENOUGH: u64 = 10_000;

#[tokio::main]
async fn main() {
    let (enough, is_enough) = oneshot::channel::<()>();
    let group = Group::<String>::new().cancel_when(async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => println!("interrupted"),
            _ = is_enough => println!("enough orders"),
        }
    });
    let (orders, inbox) = mpsc::channel::<u64>(16);
    let inbox = Arc::new(Mutex::new(inbox));
    let (made, handled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));

    for _ in 0..2 {
        let (inbox, handled) = (Arc::clone(&inbox), Arc::clone(&handled));
        group.spawn(async move {
            // Ends when the channel is closed and empty, not at the cancel.
            while let Some(order) = { inbox.lock().await.recv().await } {
                if order == u64::MAX {
                    return Err("an order that cannot be handled".to_string());
                }
                handled.fetch_add(1, Relaxed);
            }
            Ok(())
        });
    }

    let handle = group.handle();
    group.spawn({
        let made = Arc::clone(&made);
        async move {
            let (mut order, mut enough) = (0, Some(enough));
            while !handle.is_cancelled() {
                if order == ENOUGH {
                    enough.take();
                }
                if orders.send(order).await.is_err() {
                    return Err("all consumers are gone".to_string());
                }
                made.fetch_add(1, Relaxed);
                order += 1;
            }
            // `orders` is dropped here, which closes the channel.
            let why = handle.with_cause(|cause| match cause {
                Cause::Cancelled => "asked to".to_string(),
                other => other.to_string(),
            });
            println!("producer stops: {}", why.unwrap_or_default());
            Ok(())
        }
    });

    group.wait().await.expect("no task failed");
    let (made, handled) = (made.load(Relaxed), handled.load(Relaxed));
    println!("{made} orders made, {handled} handled");
    assert_eq!(made, handled, "nothing is lost");
}
