//! Calls by a client that has no load generator: as many tasks as calls may
//! be under way, each makes one after another.

use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::answers::Answers;
use super::shape::Shape;
use crate::runtime::runtime;

/// Makes `calls` over `connections`, which are cheap to clone, and checks that
/// each got its own body back.
pub(super) fn in_tasks<C: Clone + Send + 'static>(
    connections: &[C],
    shape: Shape,
    calls: u64,
    call: fn(C, Bytes) -> BoxFuture<'static, Result<Bytes, String>>,
) -> Result<Answers, String> {
    let count = connections.len() * shape.depth;
    let start = Instant::now();
    let one = |nth: usize| {
        let connection = connections[nth % connections.len()].clone();
        let share = Shape::share(calls, nth, count);
        runtime().spawn(async move {
            let mut latencies = Vec::new();
            for round in 0..share {
                let body = shape.body(round << 16 | nth as u64);
                let since = Instant::now();
                let echoed = call(connection.clone(), body.clone()).await?;
                latencies.push(since.elapsed().as_nanos() as u64);
                if echoed != body {
                    return Err("a call got another body back".to_owned());
                }
            }
            Ok(latencies)
        })
    };
    let tasks: Vec<_> = (0..count).map(one).collect();
    let mut done = Vec::with_capacity(count);
    for task in tasks {
        done.push(
            runtime()
                .block_on(task)
                .map_err(|error| error.to_string())??,
        );
    }
    let took = start.elapsed();
    let mut latency = Answers::histogram();
    for nanos in done.into_iter().flatten() {
        latency.saturating_record(nanos);
    }
    Ok(Answers { took, latency })
}
