//! Waiting for a poll to be ready by putting the thread to sleep.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until it is ready.
pub(crate) fn until_ready<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    match ready_until(None, poll) {
        Some(value) => value,
        None => unreachable!("without a time there is no end but the value"),
    }
}

/// Polls until it is ready, or until then. A wake-up between poll and sleep is
/// kept by the thread's token, so it is not lost.
pub(crate) fn ready_until<T>(
    until: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return Some(value);
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

/// How long `looking` sleeps at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(160)];

/// Polls until it is ready, also without a wake-up, after longer and longer pauses.
pub(crate) fn looking<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let [mut pause, longest] = PAUSES;
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return value;
        }
        thread::park_timeout(pause);
        pause = longest.min(pause * 2);
    }
}
