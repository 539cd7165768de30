//! A run: each node is settled once, when the last of its inputs is.
//!
//! A node counts the inputs that are not settled; who takes the count to 0, and
//! only that one, makes it ready or skips it. [`Driver`]s run what is ready.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;

use super::driver::Driver;
use super::edges::Edges;
use super::graph::{Flow, OnFailure, Source};
use super::inputs::{Edge, Outputs, Value};
use super::ready::Ready;
use super::report::{NodeReport, Report, State};
use super::work::{Ended, Job};
use crate::cause::Cause;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::sync::lock;

pub(super) struct Run<E: Send + 'static> {
    nodes: Vec<Member<E>>,
    edges: Edges,
    /// Who needs whose output, by whose.
    children: Vec<usize>,
    on_failure: OnFailure,
    start: Instant,
    group: Handle<()>,
    pub(super) ready: Ready,
}

struct Member<E> {
    /// Who needs its output: where in `children`.
    children: Range<usize>,
    /// Inputs that are not settled yet.
    open: AtomicUsize,
    /// Taken by who starts it.
    job: Mutex<Option<Job<E>>>,
    output: OnceLock<Value>,
    report: Mutex<NodeReport<E>>,
}

impl<E: Send + 'static> Run<E> {
    pub(super) async fn all(flow: Flow<E>) -> Report<E> {
        let number = flow.number();
        let Flow {
            vertices,
            edges,
            on_failure,
            limit,
            group,
            ..
        } = flow;
        let workers = Runtime::current().metrics().num_workers();
        let mut run = Self {
            nodes: Vec::with_capacity(vertices.len()),
            edges,
            children: Vec::new(),
            on_failure,
            start: Instant::now(),
            group: group.handle(),
            ready: Ready::new(limit, workers),
        };
        for vertex in vertices {
            let mut report = NodeReport::new(vertex.name);
            let (mut job, output) = (None, OnceLock::new());
            match vertex.source {
                Source::Work(of_node) => job = Some(of_node),
                Source::Given(value) => {
                    report.state = State::Given;
                    let _ = output.set(value);
                }
            }
            run.nodes.push(Member {
                children: 0..0,
                open: AtomicUsize::new(0),
                job: Mutex::new(job),
                output,
                report: Mutex::new(report),
            });
        }
        run.connect();
        // Before the first one runs: afterwards it is they who count.
        let roots = run.nodes.iter_mut().enumerate().filter_map(|(at, node)| {
            let waits = *node.open.get_mut() > 0 || node.output.get().is_some();
            (!waits).then_some(at)
        });
        let start = run.ready.add(roots);
        let run = Arc::new(run);
        if start {
            Driver::new(Arc::clone(&run)).run_here().await;
        }
        // Its error is a node's, and that one's report has it.
        let _ = group.wait().await;
        let run = Arc::into_inner(run).expect("every driver is gone");
        run.report(number)
    }

    /// Counts for each node the inputs that are not there, and lists who needs
    /// it: all lists in one, one after another.
    fn connect(&mut self) {
        let Self {
            nodes,
            edges,
            children,
            ..
        } = self;
        // As lengths first.
        for at in 0..nodes.len() {
            for edge in edges.of(at) {
                if nodes[edge.from].output.get().is_none() {
                    nodes[edge.from].children.end += 1;
                    *nodes[at].open.get_mut() += 1;
                }
            }
        }
        let mut start = 0;
        for node in nodes.iter_mut() {
            let length = node.children.len();
            node.children = start..start;
            start += length;
        }
        *children = vec![0; start];
        for at in 0..nodes.len() {
            for edge in edges.of(at) {
                let from = &mut nodes[edge.from];
                if from.output.get().is_none() {
                    children[from.children.end] = at;
                    from.children.end += 1;
                }
            }
        }
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
    pub(super) fn begin(&self, at: usize) -> Job<E> {
        let job = lock(&self.nodes[at].job).take();
        job.expect("a node is ready once")
    }

    pub(super) fn poll(&self, job: &mut Job<E>, cx: &mut Context<'_>) -> Poll<(u32, Ended<E>)> {
        let outputs = |from: usize| self.nodes[from].output.get().cloned();
        Pin::as_mut(job).poll(&Outputs(&outputs), cx)
    }

    /// Takes note of how a node ended; false if that ends the flow.
    pub(super) fn ended(
        &self,
        at: usize,
        (started, ended): (Duration, Duration),
        attempts: u32,
        how: Ended<E>,
    ) -> bool {
        let node = &self.nodes[at];
        let mut report = lock(&node.report);
        report.started = Some(started);
        report.ended = Some(ended);
        report.attempts = attempts;
        report.state = match how {
            Ended::Value(value) => {
                let _ = node.output.set(value);
                State::Succeeded
            }
            Ended::Failed(failure) => {
                report.failure = Some(failure);
                State::Failed
            }
            Ended::Unwanted => State::Skipped,
        };
        report.state != State::Failed || self.on_failure == OnFailure::SkipDescendants
    }

    /// Takes note that a node was dropped while it ran.
    pub(super) fn dropped(&self, at: usize, started: Duration) {
        let mut report = lock(&self.nodes[at].report);
        report.started = Some(started);
        report.ended = Some(self.elapsed());
    }

    /// Tells those who need the node that it is done. The first who is ready
    /// goes to `batch`, if that is empty; the others are for all. Whether to
    /// start a driver.
    pub(super) fn settle(&self, at: usize, batch: &mut VecDeque<usize>) -> bool {
        let (mut next, mut skipped, mut ready) = (Some(at), Vec::new(), Vec::new());
        while let Some(at) = next {
            for &child in &self.children[self.nodes[at].children.clone()] {
                // AcqRel: who takes the last one sees the outputs of all.
                if self.nodes[child].open.fetch_sub(1, AcqRel) > 1
                    || self.nodes[child].output.get().is_some()
                {
                    continue;
                }
                if !self.has_inputs(child) {
                    lock(&self.nodes[child].report).state = State::Skipped;
                    skipped.push(child);
                } else if batch.is_empty() {
                    batch.push_back(child);
                } else {
                    ready.push(child);
                }
            }
            next = skipped.pop();
        }
        !ready.is_empty() && self.ready.add(ready)
    }

    fn has_inputs(&self, at: usize) -> bool {
        let there = |edge: &Edge| edge.optional || self.nodes[edge.from].output.get().is_some();
        self.edges.of(at).iter().all(there)
    }

    fn report(self, number: u64) -> Report<E> {
        let (mut reports, mut outputs) = (Vec::new(), Vec::new());
        reports.reserve_exact(self.nodes.len());
        outputs.reserve_exact(self.nodes.len());
        for node in self.nodes {
            let report = node.report.into_inner();
            reports.push(report.unwrap_or_else(PoisonError::into_inner));
            outputs.push(node.output.into_inner());
        }
        Report::new(number, reports, self.edges, outputs)
    }
}
