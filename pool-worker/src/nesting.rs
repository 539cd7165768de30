//! Which pool the current code is a job of, so that a job which would wait for
//! its own pool is told instead of waiting for ever.

use std::cell::Cell;

use crate::sync;

sync::thread_local! {
    /// The pool whose worker runs on this thread, by number; 0 if none.
    #[allow(clippy::missing_const_for_thread_local, reason = "loom has no const form")]
    static POOL: Cell<usize> = Cell::new(0);
}

/// The number of the pool that this is called from a job of, on its worker.
pub(crate) fn current() -> Option<usize> {
    Some(POOL.with(Cell::get)).filter(|&pool| pool != 0)
}

/// From here on this thread works for the pool. Gives the one before.
pub(crate) fn enter(pool: usize) -> usize {
    POOL.with(|current| current.replace(pool))
}
