//! Whose turn it is on which connection, where each has one call at a time.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::error::CallError;

/// Connections by their numbers, and those of them that are free.
#[derive(Debug)]
pub(super) struct Turns {
    /// One for each that is free, for those who wait in their order.
    permits: Semaphore,
    /// The last one that was used is the next: the others may rest.
    free: Mutex<Vec<usize>>,
}

/// A connection that nobody else has.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    slot: usize,
    _permit: SemaphorePermit<'a>,
}

impl Turns {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            permits: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            free: Mutex::new((0..connections).rev().collect()),
        }
    }

    /// Waits until one is free.
    pub(super) async fn take(&self, deadline: Instant) -> Result<Turn<'_>, CallError> {
        let permit = timeout_at(deadline, self.permits.acquire()).await;
        let permit = permit.map_err(|_| CallError::Timeout)?;
        let slot = self.free.lock().pop();
        Ok(Turn {
            turns: self,
            slot: slot.expect("there is one for each permit"),
            _permit: permit.expect("it is never closed"),
        })
    }
}

impl Turn<'_> {
    pub(super) fn slot(&self) -> usize {
        self.slot
    }
}

/// Free again, before its permit is.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.free.lock().push(self.slot);
    }
}
