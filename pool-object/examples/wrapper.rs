//! A per-request wrapper, set, used, reset, put back: `cargo run --example wrapper`.

use pool_object::{Policy, Pool};
use std::{collections::HashMap, thread};

/// What a server carries through the handling of one request.
#[derive(Default)]
struct Request {
    path: String,
    headers: HashMap<String, String>,
    reply: String,
}

struct Requests;

impl Policy<Request> for Requests {
    fn create(&self) -> Request {
        Request::default()
    }

    fn reset(&self, request: &mut Request) -> bool {
        request.path.clear();
        request.headers.clear();
        request.reply.clear();
        // One huge reply shall not be kept for ever.
        request.reply.capacity() <= 64 * 1024
    }
}

static REQUESTS: Pool<Request, Requests> = Pool::new(Requests).max_idle(128);

fn handle(line: &str) -> usize {
    let mut request = REQUESTS.get();
    request.path.push_str(line);
    request
        .headers
        .insert("host".to_string(), "localhost".to_string());
    let request = &mut *request;
    request.reply.push_str("you asked for ");
    request.reply.push_str(&request.path);
    request.reply.len()
}

fn main() {
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                let bytes: usize = (0..10_000)
                    .map(|n| handle(&format!("/items/{worker}/{n}")))
                    .sum();
                println!("worker {worker} replied with {bytes} bytes");
            });
        }
    });
    let stats = REQUESTS.stats();
    println!(
        "40000 requests, {} objects made, {:.2} % reused",
        stats.misses,
        stats.hit_rate() * 100.0
    );
}
