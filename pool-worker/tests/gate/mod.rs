//! Jobs that run for as long as a test wants, and waiting for what has no event.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Far longer than any test takes: where it passes, something hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A job that runs until its gate is dropped.
pub(crate) fn gated() -> (Sender<()>, Job) {
    let (gate, closed) = channel::<()>();
    (gate, Box::new(move || assert!(closed.recv().is_err())))
}

/// Waits for a state that has no event to wait for.
pub(crate) fn until(reached: impl Fn() -> bool) {
    let begin = Instant::now();
    while !reached() {
        assert!(begin.elapsed() < LONG, "the state was never reached");
        std::thread::yield_now();
    }
}
