//! Whom the failures of a group or a scope concern besides itself.

use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// Cancels another one.
type Escalation<'scope> = Arc<dyn Fn() + Send + Sync + 'scope>;

/// Called at each failure.
pub(crate) struct Escalations<'scope>(Mutex<Vec<Escalation<'scope>>>);

impl<'scope> Escalations<'scope> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds one; `has_failed` says whether there was a failure already. A failure is
    /// noted before the list is looked at: either it finds the newcomer there, or is
    /// seen here.
    pub(crate) fn add(
        &self,
        escalation: impl Fn() + Send + Sync + 'scope,
        has_failed: impl FnOnce() -> bool,
    ) {
        let escalation: Escalation<'scope> = Arc::new(escalation);
        lock(&self.0).push(Arc::clone(&escalation));
        if has_failed() {
            escalation();
        }
    }

    pub(crate) fn call(&self) {
        // Cancelling runs foreign code, so not under the lock.
        let escalations = lock(&self.0).clone();
        escalations.iter().for_each(|escalation| escalation());
    }
}
