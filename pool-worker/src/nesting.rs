//! Which pool the current code is a job of, so that a job which would wait for
//! its own pool is told instead of waiting for ever.

use std::cell::Cell;

use crate::sync;

sync::thread_local! {
    /// The pool whose worker runs on this thread, by address; 0 if none.
    #[allow(clippy::missing_const_for_thread_local, reason = "loom has no const form")]
    static POOL: Cell<usize> = Cell::new(0);
}

/// Whether this is called from a job of the pool at this address, on its worker.
pub(crate) fn is_within(pool: usize) -> bool {
    POOL.with(Cell::get) == pool
}

/// From here on this thread works for the pool. Gives the one before.
pub(crate) fn enter(pool: usize) -> usize {
    POOL.with(|current| current.replace(pool))
}

#[cfg(feature = "tokio")]
mod task {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use pin_project_lite::pin_project;

    pin_project! {
        /// A worker task. Its thread works for the pool while it is polled.
        pub(crate) struct Within<F> {
            pool: usize,
            #[pin]
            worker: F,
        }
    }

    impl<F> Within<F> {
        pub(crate) fn new(pool: usize, worker: F) -> Self {
            Self { pool, worker }
        }
    }

    impl<F: Future> Future for Within<F> {
        type Output = F::Output;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            let this = self.project();
            // No job's panic leaves its worker, so this is undone.
            let before = super::enter(*this.pool);
            let polled = this.worker.poll(cx);
            super::enter(before);
            polled
        }
    }
}

#[cfg(feature = "tokio")]
pub(crate) use task::Within;
