//! A pipeline: one reader, several parsers, one writer, joined by channels; an
//! error anywhere ends all of it, and nothing hangs on a channel.
//!
//! ```sh
//! cargo run -p errgroup --example pipeline
//! ```

use std::sync::Arc;

use errgroup::Group;
use tokio::sync::{Mutex, mpsc};

async fn run(lines: Vec<&'static str>) -> Result<i64, String> {
    let group = Group::<String>::new();
    let (raw, to_parse) = mpsc::channel::<&str>(4);
    let (parsed, mut to_sum) = mpsc::channel::<i64>(4);
    let to_parse = Arc::new(Mutex::new(to_parse));

    group.spawn(async move {
        for line in lines {
            // Nobody parses any more: their error is the one to tell of.
            if raw.send(line).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    for _ in 0..3 {
        let (to_parse, parsed) = (Arc::clone(&to_parse), parsed.clone());
        let handle = group.handle();
        group.spawn(async move {
            while let Some(line) = { to_parse.lock().await.recv().await } {
                let number = line.parse().map_err(|error| format!("{line:?}: {error}"))?;
                if handle.is_cancelled() || parsed.send(number).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
    }
    // The parsers hold the channels now: they close as these end.
    drop((to_parse, parsed));
    let sum = group.spawn_value(async move {
        let mut sum = 0;
        while let Some(number) = to_sum.recv().await {
            sum += number;
        }
        Ok(sum)
    });
    group.wait().await?;
    Ok(sum.await.expect("no task failed"))
}

#[tokio::main]
async fn main() {
    let sum = run(vec!["1", "2", "39"]).await;
    println!("fine: {sum:?}");
    assert_eq!(sum, Ok(42));
    let broken = run(vec!["1", "two", "3"]).await;
    println!("broken: {broken:?}");
    assert!(broken.is_err());
}
