//! What the pool behind a desk has of each job that waits there.

use std::sync::Arc;

use super::desk::Desk;

/// The right to ask the desk for a job, once. Dropped without that, as where the
/// runtime of the workers goes away, it has the desk give one job back: so none waits
/// for a worker that never comes.
pub(crate) struct Token<T>(Option<Arc<Desk<T>>>);

impl<T> Token<T> {
    pub(super) fn of(desk: &Arc<Desk<T>>) -> Self {
        Self(Some(Arc::clone(desk)))
    }

    /// The desk, to be asked for a job with [`next`](Desk::next).
    pub(crate) fn spend(mut self) -> Arc<Desk<T>> {
        self.0.take().expect("a token is spent once")
    }

    /// It never was: the pool did not take it.
    pub(super) fn void(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Token<T> {
    fn drop(&mut self) {
        if let Some(desk) = self.0.take() {
            desk.lost_token();
        }
    }
}
