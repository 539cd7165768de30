//! A worker's seat in its pool, which is free again however the worker goes.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::core::{Next, Worker};
use crate::engine::Engine;

/// Held by a worker for as long as it lives. Dropped before the worker was
/// told to end, it tells the core: a thread that could not be started, a task
/// that went with its runtime, a panic outside of a job.
#[derive(Debug)]
pub(crate) struct Seat<J> {
    pub(crate) engine: Arc<Engine<J>>,
    worker: Worker,
}

impl<J> Seat<J> {
    pub(crate) fn new(engine: Arc<Engine<J>>) -> Self {
        let worker = engine.core.begin_work();
        Self { engine, worker }
    }

    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Next<J>> {
        self.engine.core.poll_next(&mut self.worker, cx)
    }

    pub(crate) fn job_ended(&mut self) {
        self.worker.job_ended();
    }
}

impl<J> Drop for Seat<J> {
    fn drop(&mut self) {
        self.engine.core.worker_gone(&self.worker);
    }
}
