//! A server's view of a full pool, on tasks: what does not fit is refused at
//! once and answered as overload; what was accepted is finished on the way out.
//!
//! `cargo run --release -p pool-worker --example overload --features tokio`

use std::time::Duration;

use pool_worker::Reason;
use pool_worker::tasks::FuncPool;
use tokio::sync::oneshot;

struct Request {
    id: u32,
    reply: oneshot::Sender<String>,
}

async fn handle(request: Request) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    // The caller may have gone; that is its own affair.
    let _ = request.reply.send(format!("done {}", request.id));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FuncPool::builder()
        .name("requests")
        .capacity(8)
        .queue(8)
        .build(handle);

    let mut replies = Vec::new();
    let mut overloaded = 0;
    for id in 0..40 {
        let (reply, replied) = oneshot::channel();
        match pool.try_submit(Request { id, reply }) {
            Ok(()) => replies.push(replied),
            Err(refused) if refused.reason() == Reason::Full => {
                overloaded += 1;
                let request = refused.into_job();
                let _ = request.reply.send(format!("overloaded {}", request.id));
            }
            Err(refused) => return Err(refused.to_string().into()),
        }
    }

    pool.close(Duration::from_secs(5)).await?;
    let mut done = 0;
    for replied in replies {
        assert!(replied.await?.starts_with("done"));
        done += 1;
    }
    println!("{done} done, {overloaded} overloaded, none lost");
    println!("schedule delay: {:?}", pool.delay());
    Ok(())
}
