//! What is called as a worker begins and ends.

use std::sync::Arc;

use crate::panic;

type Hook = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Hook>,
    pub(crate) stop: Option<Hook>,
}

impl Hooks {
    /// A worker of the pool begins.
    pub(crate) fn started(&self, pool: &str) {
        call(self.start.as_ref(), pool);
    }

    /// A worker of the pool ends.
    pub(crate) fn stopped(&self, pool: &str) {
        call(self.stop.as_ref(), pool);
    }
}

/// A panic of a hook is printed by the panic hook and goes no further.
fn call(hook: Option<&Hook>, pool: &str) {
    if let Some(hook) = hook {
        panic::contain(|| hook(pool));
    }
}
