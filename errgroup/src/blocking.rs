//! Jobs that block, as tasks of a group.

use std::panic::resume_unwind;

use crate::cause::Cause;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::span::Span;

impl<E: Send + 'static> Handle<E> {
    /// Spawns a job that blocks, on a thread of the runtime's for such jobs; as
    /// [`spawn`](Self::spawn) in all else. It holds a slot until it is done: it
    /// cannot be stopped once it runs, and `wait` waits for it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn_blocking<F>(&self, job: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'static,
    {
        let (handle, span) = (self.clone(), Span::here());
        self.spawn_to_the_end(async move {
            match tokio::task::spawn_blocking(move || span.within(job)).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(_) => {
                        handle.shared.cancel(Cause::Aborted);
                        Ok(())
                    }
                },
            }
        });
    }
}
