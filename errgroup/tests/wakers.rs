//! Wakers are anybody's code: the last one of a task may drop it, with all it has of the
//! group.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use errgroup::{Group, Handle};

/// Comes back to the group as it is dropped, to each of its locks.
struct ComesBack {
    group: Handle<()>,
    came: Arc<AtomicUsize>,
}

impl Wake for ComesBack {
    fn wake(self: Arc<Self>) {}
}

impl Drop for ComesBack {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        // Those of the callers and of the verdict; that of the watchers.
        let _ = self.group.stats();
        let _ = pin!(self.group.cancelled()).poll(&mut cx);
        self.came.fetch_add(1, SeqCst);
    }
}

/// Each waker once, so that each poll takes the place of the last one's.
fn polled<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A lock that is held meanwhile would be waited for by its own holder.
#[test]
fn a_waker_is_dropped_outside_the_locks() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let group = Group::<()>::new().limit(0);
    let handle = group.handle();
    let came = Arc::new(AtomicUsize::new(0));
    let waker = || {
        Waker::from(Arc::new(ComesBack {
            group: handle.clone(),
            came: Arc::clone(&came),
        }))
    };
    {
        let mut cancelled = Box::pin(handle.cancelled());
        let mut caller = handle.spawn_wait(async { Ok(()) });
        for _ in 0..2 {
            assert!(polled(&mut cancelled, &waker()).is_pending());
            assert!(polled(&mut caller, &waker()).is_pending());
        }
        assert_eq!(came.load(SeqCst), 2, "replaced");
    }
    assert_eq!(came.load(SeqCst), 4, "forgotten");

    group.spawn(async { Ok(()) });
    let mut wait = Box::pin(group.wait());
    assert!(polled(&mut wait, &waker()).is_pending());
    assert!(polled(&mut wait, &waker()).is_pending());
    assert_eq!(came.load(SeqCst), 5, "replaced, of who waits for the end");
    handle.cancel();
    assert!(polled(&mut wait, &waker()).is_ready());
    assert_eq!(came.load(SeqCst), 7, "none is left with a group that ended");
}
