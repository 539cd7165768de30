//! A run: each node is settled once, when the last of its inputs is.
//!
//! A node counts the inputs that are not settled; who takes the count to 0, and
//! only that one, makes it ready or skips it. [`Driver`]s run what is ready.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering::AcqRel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;

use super::driver::Driver;
use super::edges::Edges;
use super::graph::{Flow, OnFailure};
use super::inputs::{Edge, Outputs};
use super::ready::{Ready, UNKNOWN};
use super::report::{Report, State};
use super::vertex::{Outcome, Vertex};
use super::watch::Board;
use super::work::{self, Ended, Failure, Job};
use crate::cause::Cause;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::sync::lock;
use crate::wait_error::WaitError;

pub(super) struct Run<E: Send + 'static> {
    vertices: Vec<Vertex>,
    /// Each taken by who runs it.
    jobs: Vec<Mutex<Option<Job<E>>>>,
    edges: Edges,
    failures: Mutex<BTreeMap<usize, Failure<E>>>,
    on_failure: OnFailure,
    /// Tokio's, which can be paused in tests.
    start: Instant,
    group: Handle<()>,
    pub(super) ready: Ready,
    board: Board,
}

impl<E: Send + 'static> Run<E> {
    pub(super) async fn all(flow: Flow<E>) -> Report<E> {
        let Flow {
            number,
            mut vertices,
            jobs,
            edges,
            on_failure,
            limit,
            group,
            board,
        } = flow;
        let workers = Runtime::current().metrics().num_workers();
        let ready = Ready::new(limit, workers);
        // Before the first one runs: afterwards it is they who count.
        let start = ready.add(roots(&mut vertices, &edges), UNKNOWN);
        let run = Arc::new(Self {
            vertices,
            jobs,
            edges,
            failures: Mutex::new(BTreeMap::new()),
            on_failure,
            start: Instant::now(),
            group: group.handle(),
            ready,
            board,
        });
        if start {
            Driver::new(Arc::clone(&run)).run_here().await;
        }
        // Its error is a node's, and that one's report has it; a panic is none of theirs.
        let ended = group.try_wait().await;
        let run = Arc::into_inner(run).expect("every driver is gone");
        let failures = run.failures.into_inner();
        let mut report = Report {
            flow: number,
            vertices: run.vertices,
            edges: run.edges,
            failures: failures.unwrap_or_else(PoisonError::into_inner),
        };
        for (at, job) in run.jobs.into_iter().enumerate() {
            let unbegun = job.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Some(Err(panic)) = unbegun.map(|job| work::caught(|| drop(job))) {
                report.failures.insert(at, Failure::Panicked(panic));
                let failed = Outcome::unstarted(State::Failed, None);
                report.vertices[at].outcome = OnceLock::from(failed);
                run.board.set(at, State::Failed);
            }
        }
        if let Err(WaitError::Panicked(panic)) = ended {
            panic.resume();
        }
        report
    }

    /// Starts a driver that was counted.
    pub(super) fn start_driver(self: &Arc<Self>) {
        self.spawn(Driver::new(Arc::clone(self)));
    }

    pub(super) fn spawn(&self, driver: Driver<E>) {
        self.group.spawn(driver);
    }

    /// Takes note of how a driver ended that is no task.
    pub(super) fn conclude(&self, result: Result<(), ()>) {
        self.group.shared.settle(result.map_err(Cause::Error));
    }

    /// The group's.
    pub(super) fn number(&self) -> usize {
        self.group.shared.number()
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.group.is_cancelled()
    }

    #[inline]
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The job of a node that is ready.
    pub(super) fn begin(&self, at: usize) -> Option<Job<E>> {
        self.board.set(at, State::Running);
        let job = lock(&self.jobs[at]).take();
        debug_assert!(job.is_some(), "a node is ready once");
        job
    }

    pub(super) fn poll(
        &self,
        node: &mut Option<Job<E>>,
        cx: &mut Context<'_>,
    ) -> Poll<(u32, Ended<E>)> {
        let outputs = |from: usize| self.vertices[from].output().cloned();
        work::poll(node, &Outputs(&outputs), cx)
    }

    /// Takes note of how a node ended; false if that ends the flow.
    #[inline(always)] // two call it, one of them for each node
    pub(super) fn ended(
        &self,
        at: usize,
        (started, ended): (Duration, Duration),
        attempts: u32,
        how: Ended<E>,
    ) -> bool {
        let (state, output) = match how {
            Ended::Value(value) => (State::Succeeded, Some(value)),
            Ended::Failed(failure) => {
                lock(&self.failures).insert(at, failure);
                (State::Failed, None)
            }
            Ended::Unwanted => (State::Skipped, None),
            Ended::Dropped => (State::Cancelled, None),
        };
        self.vertices[at].settle(Outcome {
            state,
            started: Some(started),
            ended: Some(ended),
            attempts,
            output,
        });
        self.board.set(at, state);
        state != State::Failed || self.on_failure == OnFailure::SkipDescendants
    }

    /// Tells those who need the node that it is done. The first who is ready
    /// goes to `batch`, if that is empty; the others are for all. If there are any:
    /// whether to start a driver, as the node took `pace`.
    pub(super) fn settle(
        &self,
        at: usize,
        pace: Duration,
        batch: &mut VecDeque<usize>,
    ) -> Option<bool> {
        let (mut next, mut skipped, mut ready) = (Some(at), Vec::new(), Vec::new());
        while let Some(at) = next {
            for child in self.edges.needing(at) {
                let vertex = &self.vertices[child];
                // AcqRel: who takes the last one sees the outputs of all.
                if vertex.open.fetch_sub(1, AcqRel) > 1 || vertex.is_settled() {
                    continue;
                }
                if !self.has_inputs(child) {
                    vertex.settle(Outcome::unstarted(State::Skipped, None));
                    self.board.set(child, State::Skipped);
                    skipped.push(child);
                } else if batch.is_empty() {
                    batch.push_back(child);
                } else {
                    ready.push(child);
                }
            }
            next = skipped.pop();
        }
        (!ready.is_empty()).then(|| self.ready.add(ready, pace))
    }

    fn has_inputs(&self, at: usize) -> bool {
        let there = |edge: &Edge| edge.optional || self.vertices[edge.from].output().is_some();
        self.edges.of(at).iter().all(there)
    }
}

/// The nodes that wait for no other. Outputs that were given are there.
fn roots(vertices: &mut [Vertex], edges: &Edges) -> impl Iterator<Item = usize> {
    for at in 0..vertices.len() {
        if vertices[at].is_settled() {
            for child in edges.needing(at) {
                *vertices[child].open.get_mut() -= 1;
            }
        }
    }
    let vertices = vertices.iter_mut().enumerate();
    vertices.filter_map(|(at, vertex)| {
        let waits = *vertex.open.get_mut() > 0 || vertex.is_settled();
        (!waits).then_some(at)
    })
}
