//! Jobs that block, as tasks of a group.

use std::sync::Arc;

use crate::attempt;
use crate::carried::Carried;
use crate::cause::Cause;
use crate::engine::Engine;
use crate::handle::Handle;

impl<E: Send + 'static> Handle<E> {
    /// Spawns a job that blocks, on a thread of the runtime's for such jobs; as
    /// [`spawn`](Self::spawn) in all else. It holds a slot until it is done: it
    /// cannot be stopped once it runs, and `wait` waits for it. One that still waits
    /// for a thread at the cancel does not start.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'static,
    {
        let (handle, carried) = (self.clone(), Carried::here());
        self.spawn_to_the_end(async move {
            let shared = Arc::clone(&handle.shared);
            let job = move || {
                // It may have waited for a thread for longer than for a slot.
                if shared.state.is_cancelled() {
                    return attempt::discard(|| shared.refuse(job));
                }
                // Caught over here, where the panic is still known in full.
                attempt::call(|| carried.within(job), shared.number())
            };
            let outcome = tokio::task::spawn_blocking(job).await;
            match outcome.unwrap_or(Err(Cause::Aborted)) {
                Ok(()) => Ok(()),
                Err(Cause::Error(error)) => Err(error),
                Err(cause) => {
                    handle.shared.fail(cause);
                    Ok(())
                }
            }
        });
    }
}
