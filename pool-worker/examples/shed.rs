//! A service that would rather refuse than be late: `cargo run -p pool-worker
//! --features tokio --example shed`.
//!
//! Each request is offered for a short time only. What is refused comes back
//! to its submitter, which answers it in another way; nothing is lost and
//! nothing is answered twice.

use std::time::Duration;

use pool_worker::tasks::FuncPool;
use tokio::sync::mpsc;

struct Request {
    number: u32,
    answers: mpsc::UnboundedSender<(u32, &'static str)>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = FuncPool::builder()
        .name("requests")
        .capacity(4)
        .queue(4)
        .build(|request: Request| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = request.answers.send((request.number, "served"));
        });

    let (answers, mut answered) = mpsc::unbounded_channel();
    for number in 0..100 {
        let answers = answers.clone();
        let request = Request { number, answers };
        let patience = Duration::from_millis(1);
        if let Err(refused) = pool.submit_timeout(request, patience).await {
            let Request { number, answers } = refused.into_job();
            answers.send((number, "busy"))?;
        }
    }
    drop(answers);
    pool.close(Duration::from_secs(60)).await?;

    let (mut served, mut busy) = (0, 0);
    while let Some((_, answer)) = answered.recv().await {
        match answer {
            "served" => served += 1,
            _ => busy += 1,
        }
    }
    println!("{served} served, {busy} told that it is busy");
    println!("p99 schedule delay of those served: {:?}", pool.delay().p99);
    Ok(())
}
