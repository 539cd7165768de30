//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::draw::Drawing;
use super::edges::Edges;
use super::gantt;
use super::graph::Flow;
use super::inputs::Value;
use super::node::Node;
use super::vertex::Vertex;
use super::work::Failure;

/// How a node ended; while the flow runs, where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It waits for its inputs, or for its turn. Seen by a [`Watcher`](super::Watcher) only;
    /// in a report every node has ended.
    Pending,
    /// It has begun; it may pause between two attempts. Seen by a
    /// [`Watcher`](super::Watcher) only.
    Running,
    /// Its output is there.
    Succeeded,
    /// Its output was given before the run.
    Given,
    /// See its failure.
    Failed,
    /// An input it needs is missing, or its condition said no.
    Skipped,
    /// The flow was cancelled before it was done, or before it started.
    Cancelled,
}

impl State {
    /// Whether this is an end, good or bad.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Given => "given",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What became of one node.
#[derive(Debug)]
#[non_exhaustive]
pub struct NodeReport<'r, E> {
    /// As it was named.
    pub name: &'r str,
    /// How it ended.
    pub state: State,
    /// When its first attempt began, since the run began; `None` if it did not.
    pub started: Option<Duration>,
    /// When it was done, since the run began.
    pub ended: Option<Duration>,
    /// How often its function was called; 0 if its inputs could not be had or its
    /// condition said no. Of a node that was dropped while it ran, too.
    pub attempts: u32,
    /// Why it failed, if it did.
    pub failure: Option<&'r Failure<E>>,
}

impl<E> Clone for NodeReport<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for NodeReport<'_, E> {}

impl<E> NodeReport<'_, E> {
    /// How long it ran, pauses between attempts included.
    pub fn took(&self) -> Option<Duration> {
        Some(self.ended?.saturating_sub(self.started?))
    }
}

/// Outputs, states and timings of a run.
pub struct Report<E> {
    pub(super) flow: u64,
    pub(super) vertices: Vec<Vertex>,
    pub(super) edges: Edges,
    /// By node.
    pub(super) failures: BTreeMap<usize, Failure<E>>,
}

impl<E> Report<E> {
    /// The output of a node; `None` if it has none.
    ///
    /// # Panics
    ///
    /// If it is a node of another flow.
    pub fn get<T: Send + Sync + 'static>(&self, node: Node<T>) -> Option<Arc<T>> {
        assert_eq!(node.flow, self.flow, "a node of another flow");
        let output = Arc::clone(self.vertices[node.at].output()?).downcast();
        Some(output.expect("a node's output is what its handle says"))
    }

    /// What became of a node.
    ///
    /// # Panics
    ///
    /// If it is a node of another flow.
    pub fn node<T>(&self, node: Node<T>) -> NodeReport<'_, E> {
        assert_eq!(node.flow, self.flow, "a node of another flow");
        self.at(node.at)
    }

    /// All nodes, in the order they were added.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeReport<'_, E>> {
        (0..self.vertices.len()).map(|at| self.at(at))
    }

    fn at(&self, at: usize) -> NodeReport<'_, E> {
        let Vertex { name, outcome, .. } = &self.vertices[at];
        let mut report = NodeReport {
            name,
            state: State::Cancelled,
            started: None,
            ended: None,
            attempts: 0,
            failure: self.failures.get(&at),
        };
        if let Some(outcome) = outcome.get() {
            report.state = outcome.state;
            report.started = outcome.started;
            report.ended = outcome.ended;
            report.attempts = outcome.attempts;
        }
        report
    }

    /// The node that failed first.
    pub fn first_failure(&self) -> Option<NodeReport<'_, E>> {
        let failed = self.failures.keys().map(|&at| self.at(at));
        failed.min_by_key(|node| node.ended.unwrap_or(Duration::MAX))
    }

    /// Whether every node has its output, or was not wanted.
    pub fn is_ok(&self) -> bool {
        let fine = [State::Succeeded, State::Given, State::Skipped];
        self.nodes().all(|node| fine.contains(&node.state))
    }

    /// The nodes that made the run as long as it was, first to last: from the
    /// node that was done last back to the input it waited for longest, and so
    /// on. For an input that was skipped it is what that one waited for.
    pub fn critical_path(&self) -> Vec<NodeReport<'_, E>> {
        self.critical().map(|at| self.at(at)).collect()
    }

    pub(super) fn critical(&self) -> impl Iterator<Item = usize> + use<E> {
        let ended = |at: &usize| self.vertices[*at].outcome.get().and_then(|end| end.ended);
        // Of each node itself if it ran, or else the last to end before it was skipped. Inputs
        // come before who needs them.
        let mut last = Vec::with_capacity(self.vertices.len());
        let waited_for = |at: usize, last: &[Option<usize>]| {
            let inputs = self.edges.of(at).iter();
            inputs.filter_map(|edge| last[edge.from]).max_by_key(ended)
        };
        for at in 0..self.vertices.len() {
            let ran = ended(&at).is_some();
            last.push(if ran { Some(at) } else { waited_for(at, &last) });
        }
        let mut path = Vec::new();
        let mut next = last.iter().flatten().copied().max_by_key(ended);
        while let Some(at) = next {
            path.push(at);
            next = waited_for(at, &last);
        }
        path.into_iter().rev()
    }

    /// The graph with the states, in Mermaid's language.
    pub fn mermaid(&self) -> String {
        self.drawing().mermaid()
    }

    /// The graph with the states, in Graphviz' language.
    pub fn dot(&self) -> String {
        self.drawing().dot()
    }

    /// What ran when, as a chart in SVG.
    pub fn gantt(&self) -> String {
        gantt::chart(self)
    }

    fn drawing(&self) -> Drawing<'_> {
        let nodes = self.nodes().map(|node| (node.name, Some(node.state)));
        Drawing::new(nodes, &self.edges)
    }

    /// Whether what there is of outputs can be that flow's.
    pub(super) fn has_shape_of(&self, flow: &Flow<E>) -> bool {
        let names = self.vertices.iter().map(|vertex| &vertex.name);
        let fits = |(at, output): (usize, Value)| (*output).type_id() == flow.vertices[at].kind;
        names.eq(flow.vertices.iter().map(|vertex| &vertex.name))
            && self.edges.has_shape_of(&flow.edges)
            && self.outputs().all(fits)
    }

    /// Those there are, by node.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (usize, Value)> {
        let outputs = self.vertices.iter().map(Vertex::output).enumerate();
        outputs.filter_map(|(at, output)| Some((at, Arc::clone(output?))))
    }
}

impl<E: fmt::Debug> fmt::Debug for Report<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.nodes()).finish()
    }
}
