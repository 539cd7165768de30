//! Loading policies, on every CPU.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use pool_worker::threads;

use super::policy::{Policy, PolicySpec};
use super::store::{PolicyStore, StoreBuilder};
use super::synthetic::{self, Scopes};

/// Policies a job.
const CHUNK: u32 = 16_384;

/// Draws `count` policies of `seed`, adds those `written` by people, and
/// calls `progress` with how many more are there as it goes on.
///
/// Blocks until all are loaded.
///
/// # Panics
/// When a worker of the pool panicked, which is a fault in the drawing.
#[must_use]
pub fn load(count: u32, seed: u64, written: &[PolicySpec], progress: impl Fn(u64)) -> PolicyStore {
    let mut builder = StoreBuilder::with_capacity(count as usize + written.len());
    let scopes = Arc::new(Scopes::register(&mut builder));
    let pool = threads::Pool::builder()
        .name("policies")
        .capacity(num_cpus::get())
        .queue(usize::try_from(count.div_ceil(CHUNK)).unwrap_or(usize::MAX))
        .build();
    let (done, chunks) = mpsc::channel();
    for start in (0..count).step_by(CHUNK as usize) {
        let (scopes, done) = (Arc::clone(&scopes), done.clone());
        let job = move || {
            let end = count.min(start.saturating_add(CHUNK));
            let draw = |number| synthetic::policy(seed, number, &scopes);
            let chunk: Vec<Policy> = (start..end).map(draw).collect();
            // The receiver is gone only when this call panicked.
            let _ = done.send(chunk);
        };
        assert!(pool.submit(job).is_ok(), "the pool is open");
    }
    drop(done);
    for chunk in chunks {
        builder.extend(&chunk);
        progress(chunk.len() as u64);
    }
    for spec in written {
        builder.add(spec);
        progress(1);
    }
    let store = builder.finish();
    assert_eq!(
        store.len(),
        count as usize + written.len(),
        "a chunk of policies was lost"
    );
    pool.close(Duration::from_secs(10)).expect("no job is left");
    store
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_policy_is_loaded_and_told_of() {
        let told = AtomicU64::new(0);
        let count = CHUNK * 2 + 5;
        let written = crate::load::host::policies();
        let store = load(count, 1, &written, |more| {
            told.fetch_add(more, Ordering::Relaxed);
        });
        assert_eq!(store.len(), count as usize + written.len());
        assert_eq!(told.into_inner(), store.len() as u64);
    }
}
