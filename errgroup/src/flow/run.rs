//! A run: each node starts when the last of its inputs is there.
//!
//! A node counts the inputs that are not settled; who takes the count to 0, and
//! only that one, makes it ready or skips it. *Drivers* run the nodes: a driver is
//! a task of the group that runs one ready node after another, so a chain is one
//! task, and so are many nodes that do not wait. A driver whose node has to wait
//! waits with it, and has another driver started for what is ready.
//!
//! No ready node is forgotten: who makes nodes ready is a driver, and goes on
//! until it finds none; if it has to wait before that, the one it starts does.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Instant;

use crossbeam_queue::SegQueue;
use tokio::runtime::Handle as Runtime;

use super::graph::{Flow, OnFailure, Source};
use super::inputs::{Edge, Outputs, Value};
use super::report::{NodeReport, Report, State};
use super::work::{Ended, Running, Work};
use crate::handle::Handle;
use crate::sync::lock;

pub(super) struct Run<E> {
    nodes: Vec<Member<E>>,
    /// Who needs whose output, by whose.
    children: Vec<usize>,
    on_failure: OnFailure,
    start: Instant,
    group: Handle<()>,
    ready: SegQueue<usize>,
    /// Drivers that can be of use at once for nodes that do not wait.
    workers: usize,
}

struct Member<E> {
    edges: Vec<Edge>,
    /// Who needs its output: where in `children`.
    children: Range<usize>,
    /// Inputs that are not settled yet.
    open: AtomicUsize,
    /// Taken by who starts it.
    work: Mutex<Option<Box<dyn Work<E>>>>,
    output: OnceLock<Value>,
    report: Mutex<NodeReport<E>>,
}

impl<E: Send + 'static> Run<E> {
    pub(super) async fn all(flow: Flow<E>) -> Report<E> {
        let number = flow.number();
        let Flow {
            vertices,
            on_failure,
            group,
            ..
        } = flow;
        let mut run = Self {
            nodes: Vec::with_capacity(vertices.len()),
            children: Vec::new(),
            on_failure,
            start: Instant::now(),
            group: group.handle(),
            ready: SegQueue::new(),
            workers: Runtime::current().metrics().num_workers(),
        };
        for vertex in vertices {
            let mut open = 0;
            for edge in &vertex.edges {
                let from = &mut run.nodes[edge.from];
                if from.output.get().is_none() {
                    from.children.end += 1;
                    open += 1;
                }
            }
            let mut report = NodeReport::new(vertex.name);
            let (mut work, output) = (None, OnceLock::new());
            match vertex.source {
                Source::Work(of_node) => work = Some(of_node),
                Source::Given(value) => {
                    report.state = State::Given;
                    let _ = output.set(value);
                }
            }
            run.nodes.push(Member {
                edges: vertex.edges,
                children: 0..0,
                open: AtomicUsize::new(open),
                work: Mutex::new(work),
                output,
                report: Mutex::new(report),
            });
        }
        run.fill_children();
        // Before the first one runs: afterwards it is they who count.
        let roots = run.nodes.iter_mut().enumerate().filter_map(|(at, node)| {
            let waits = *node.open.get_mut() > 0 || node.output.get().is_some();
            (!waits).then_some(at)
        });
        let roots: Vec<usize> = roots.collect();
        let run = Arc::new(run);
        if let Some(first) = run.share(roots, run.workers) {
            run.spawn(Some(first));
        }
        // Its error is a node's, and that one's report has it.
        let _ = group.wait().await;
        let run = Arc::into_inner(run).expect("every task is gone");
        run.report(number)
    }

    /// Each node's range is as long as it has children: moves it to its place
    /// in one list of all, and fills it.
    fn fill_children(&mut self) {
        let mut start = 0;
        for node in &mut self.nodes {
            let children = node.children.len();
            node.children = start..start;
            start += children;
        }
        self.children = vec![0; start];
        for at in 0..self.nodes.len() {
            for edge in 0..self.nodes[at].edges.len() {
                let from = self.nodes[at].edges[edge].from;
                let from = &mut self.nodes[from];
                if from.output.get().is_none() {
                    self.children[from.children.end] = at;
                    from.children.end += 1;
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, first: Option<usize>) {
        self.group.spawn(Arc::clone(self).drive(first));
    }

    /// Keeps the first of these nodes for the caller, and has other drivers for
    /// the rest.
    fn share(self: &Arc<Self>, ready: Vec<usize>, drivers: usize) -> Option<usize> {
        let mut ready = ready.into_iter();
        let first = ready.next();
        let others = ready.len().min(drivers.saturating_sub(1));
        ready.for_each(|other| self.ready.push(other));
        (0..others).for_each(|_| self.spawn(None));
        first
    }

    async fn drive(self: Arc<Self>, first: Option<usize>) -> Result<(), ()> {
        let mut next = first.or_else(|| self.ready.pop());
        while let Some(at) = next {
            let settled = self.node(at).await;
            if settled == State::Failed && self.on_failure == OnFailure::FailFast {
                return Err(());
            }
            if settled == State::Cancelled {
                return Ok(());
            }
            let ready = self.settle(at);
            next = self.share(ready, self.workers).or_else(|| self.ready.pop());
        }
        Ok(())
    }

    async fn node(self: &Arc<Self>, at: usize) -> State {
        let node = &self.nodes[at];
        let work = lock(&node.work).take();
        let outputs = |from: usize| self.nodes[from].output.get().cloned();
        let running = work.and_then(|work| work.begin(&Outputs(&outputs)));
        let running = running.expect("started once, with all it needs");
        let started = self.start.elapsed();
        lock(&node.report).started = Some(started);
        let ended = self.unless_cancelled(running).await;
        let took_until = self.start.elapsed();
        let mut report = lock(&node.report);
        report.ended = Some(took_until);
        let Some((attempts, ended)) = ended else {
            return State::Cancelled;
        };
        report.attempts = attempts;
        report.state = match ended {
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
        report.state
    }

    /// `None` if the flow was cancelled first.
    async fn unless_cancelled(
        self: &Arc<Self>,
        mut running: Running<E>,
    ) -> Option<(u32, Ended<E>)> {
        let mut cancelled = pin!(self.group.cancelled());
        let mut waits = false;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = running.as_mut().poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if !std::mem::replace(&mut waits, true) && !self.ready.is_empty() {
                self.spawn(None);
            }
            cancelled.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Tells those who need the node that it is done; returns who is ready.
    fn settle(&self, at: usize) -> Vec<usize> {
        let (mut settled, mut ready) = (vec![at], Vec::new());
        while let Some(at) = settled.pop() {
            for &child in &self.children[self.nodes[at].children.clone()] {
                // AcqRel: who takes the last one sees the outputs of all.
                if self.nodes[child].open.fetch_sub(1, AcqRel) > 1
                    || self.nodes[child].output.get().is_some()
                {
                    continue;
                }
                if self.has_inputs(child) {
                    ready.push(child);
                } else {
                    lock(&self.nodes[child].report).state = State::Skipped;
                    settled.push(child);
                }
            }
        }
        ready
    }

    fn has_inputs(&self, at: usize) -> bool {
        let there = |edge: &Edge| edge.optional || self.nodes[edge.from].output.get().is_some();
        self.nodes[at].edges.iter().all(there)
    }

    fn report(self, number: u64) -> Report<E> {
        let members = self.nodes.into_iter().map(|member| {
            let report = member.report.into_inner();
            let report = report.unwrap_or_else(std::sync::PoisonError::into_inner);
            (report, member.edges, member.output.into_inner())
        });
        Report::new(number, members)
    }
}
