//! The pools whose jobs may have a handle and a name.

use pool_worker::{Handle, tasks, threads};

use crate::harness::{Job, Pool, Refused, Tasks, at_once, refused};

/// A pool whose jobs may have a handle and a name.
pub(crate) trait Spawning: Pool {
    fn spawn<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Handle<R>;
    fn submit_named(&self, name: &'static str, job: Job) -> Result<(), Refused>;
    fn spawn_named<R: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Handle<R>;
    /// The error of a job that is not accepted.
    fn spawn_named_refused(&self, name: &'static str) -> String;
}

impl Spawning for threads::Pool {
    fn spawn<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Handle<R> {
        self.spawn(job).unwrap()
    }
    fn submit_named(&self, name: &'static str, job: Job) -> Result<(), Refused> {
        let submitted = self.submit_named(name, job);
        submitted.map_err(|e| refused(e, |job| job))
    }
    fn spawn_named<R: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Handle<R> {
        self.spawn_named(name, job).unwrap()
    }
    fn spawn_named_refused(&self, name: &'static str) -> String {
        self.spawn_named(name, || ()).unwrap_err().to_string()
    }
}

impl Spawning for Tasks<tasks::Pool> {
    fn spawn<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Handle<R> {
        let spawned = self.pool.spawn(async move { job() });
        self.runtime.block_on(spawned).unwrap()
    }
    fn submit_named(&self, name: &'static str, job: Job) -> Result<(), Refused> {
        let submitted = self.pool.submit_named(name, async move { job() });
        let submitted = self.runtime.block_on(submitted);
        submitted.map_err(|e| refused(e, |job| Box::new(move || at_once(job))))
    }
    fn spawn_named<R: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Handle<R> {
        let spawned = self.pool.spawn_named(name, async move { job() });
        self.runtime.block_on(spawned).unwrap()
    }
    fn spawn_named_refused(&self, name: &'static str) -> String {
        let spawned = self.pool.spawn_named(name, async {});
        self.runtime.block_on(spawned).unwrap_err().to_string()
    }
}
