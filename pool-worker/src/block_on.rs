//! Waiting for a future on the current thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::sync::{self, AtomicBool, Ordering, thread};

/// Remembers that the future was woken: foreign code that runs in a poll, as the drop of
/// another's waker does, may park this thread as well, and use up what unparks it.
struct Signal {
    woken: AtomicBool,
    thread: thread::Thread,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A step on the same word as the one below, so that one of the two comes second.
        // Release pairs with the Acquire there: the poll sees what it was woken for.
        self.woken.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The output, or `None` once `limit` has passed. A limit beyond what the
/// clock can tell is none.
pub(crate) fn block_on<F: Future + Unpin>(
    future: &mut F,
    limit: Option<Duration>,
) -> Option<F::Output> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let signal = Arc::new(Signal {
        woken: AtomicBool::new(false),
        thread: thread::current(),
    });
    let waker = Waker::from(Arc::clone(&signal));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Some(output);
        }
        while !signal.woken.swap(false, Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => sync::park(None),
                Some(Duration::ZERO) => return None,
                Some(left) => sync::park(Some(left)),
            }
        }
    }
}
