//! What the user of a server has done at the end of its shutdown.

use std::error::Error;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

/// What a hook comes to.
pub(super) type HookResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Hooks, in the order in which they were added.
#[derive(Default)]
pub(super) struct Hooks(Vec<Hook>);

struct Hook {
    name: String,
    limit: Duration,
    work: Box<dyn FnOnce() -> BoxFuture<'static, HookResult> + Send + Sync>,
}

impl Hooks {
    pub(super) fn add(
        &mut self,
        name: String,
        limit: Duration,
        work: impl FnOnce() -> BoxFuture<'static, HookResult> + Send + Sync + 'static,
    ) {
        let work = Box::new(work);
        self.0.push(Hook { name, limit, work });
    }

    /// Runs one after the other; how many of them did not end well.
    ///
    /// Each has its own limit, within what there is until `end`, but never less than
    /// `least`: what comes last is not left undone because others have taken long.
    pub(super) async fn run(&mut self, end: Instant, least: Duration) -> u64 {
        let mut failed = 0;
        for Hook { name, limit, work } in self.0.drain(..) {
            let began = Instant::now();
            let last = (began + limit).min(end.max(began + least));
            // A task of its own: one that blocks its thread or panics is only itself.
            let mut task = tokio::spawn(async move { work().await });
            failed += 1;
            match timeout_at(last, &mut task).await {
                Ok(Ok(Ok(()))) => {
                    tracing::info!(hook = name, took = ?began.elapsed(), "shutdown hook");
                    failed -= 1;
                }
                Ok(Ok(Err(error))) => tracing::error!(hook = name, %error, "shutdown hook failed"),
                Ok(Err(panic)) => tracing::error!(hook = name, %panic, "shutdown hook panicked"),
                Err(_) => {
                    task.abort();
                    let after = last - began;
                    tracing::error!(hook = name, ?after, "shutdown hook overran, and was ended");
                }
            }
        }
        failed
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|hook| &hook.name))
            .finish()
    }
}
