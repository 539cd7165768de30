//! What the models have in common.
//!
//! No model waits for its jobs by `close`, which would wake everyone and so hide what it
//! looks for.
#![allow(dead_code)] // each file of models uses a part of it

use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use pool_worker::threads::FuncPool;

pub(crate) const LONG: Duration = Duration::from_secs(1_000_000);

/// Explores every schedule with at most this many preemptions.
pub(crate) fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(f);
}

/// Counts up, and waits for a count.
#[derive(Default)]
pub(crate) struct Tally {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Tally {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    pub(crate) fn wait_for(&self, wanted: usize) {
        let mut count = self.count.lock().unwrap();
        while *count < wanted {
            count = self.changed.wait(count).unwrap();
        }
    }

    pub(crate) fn get(&self) -> usize {
        *self.count.lock().unwrap()
    }
}

/// A pool whose jobs count themselves.
pub(crate) fn counting(capacity: usize, queue: usize) -> (Arc<FuncPool<()>>, Arc<Tally>) {
    let ran = Tally::new();
    let tally = Arc::clone(&ran);
    let pool = FuncPool::builder()
        .capacity(capacity)
        .queue(queue)
        .build(move |()| tally.add());
    (Arc::new(pool), ran)
}
