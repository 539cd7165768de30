//! The flow as it is built.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::draw::Drawing;
use super::edges::Edges;
use super::inputs::{Inputs, Value};
use super::node::Node;
use super::report::{Report, State};
use super::run::Run;
use super::step::Step;
use super::vertex::{Outcome, Vertex};
use super::watch::Board;
use super::work::{Job, Once};
use crate::group::Group;

/// What a failed node does to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Cancels the flow: nodes that run are dropped, no other starts.
    #[default]
    FailFast,
    /// Skips those who need its output, and whoever needs theirs; all others
    /// go on.
    SkipDescendants,
}

/// A workflow: nodes, each with the nodes whose outputs it needs. See the
/// [module](super).
pub struct Flow<E> {
    pub(super) number: u64,
    pub(super) vertices: Vec<Vertex>,
    /// What each node does; taken by who runs it.
    pub(super) jobs: Vec<Mutex<Option<Job<E>>>>,
    pub(super) edges: Edges,
    pub(super) limit: usize,
    pub(super) on_failure: OnFailure,
    pub(super) group: Group<()>,
    pub(super) board: Board,
}

impl<E: Send + 'static> Flow<E> {
    /// An empty flow, without a limit, that fails fast.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Relaxed),
            vertices: Vec::new(),
            jobs: Vec::new(),
            edges: Edges::default(),
            limit: usize::MAX,
            on_failure: OnFailure::default(),
            group: Group::new().grace(Duration::ZERO),
            board: Board::default(),
        }
    }

    /// Bounds how many nodes run at once, those that pause between two attempts
    /// included; `usize::MAX` is no limit.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing would ever run.
    pub fn limit(mut self, limit: usize) -> Self {
        assert!(limit > 0, "a flow with a limit of 0 would never run");
        self.limit = limit;
        self
    }

    /// Sets what a failed node does to the rest.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Adds a node: once the `inputs` are there, `function` is called with them
    /// and what it returns is run. See [`step`](Self::step) for options.
    ///
    /// # Panics
    ///
    /// If an input is a node of another flow.
    pub fn node<I, F, R, T>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        inputs: I,
        function: F,
    ) -> Node<T>
    where
        I: Inputs,
        F: FnOnce(I::Values) -> R + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + Sync + 'static,
    {
        self.push(name.into(), inputs, |inputs| {
            Box::pin(Once::new(inputs, function))
        })
    }

    /// Describes a node with options: retry, timeout, condition, fallback. Its function
    /// may be called more than once.
    pub fn step<I, F, R, T>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        inputs: I,
        function: F,
    ) -> Step<'_, I, F, T, E>
    where
        I: Inputs,
        F: FnMut(I::Values) -> R + Send + 'static,
        R: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + Sync + 'static,
    {
        Step::new(self, name.into(), inputs, function)
    }

    /// Gives the output of a node, which then does not run: to go on where an
    /// earlier run came to.
    ///
    /// # Panics
    ///
    /// If it is a node of another flow.
    pub fn give<T: Send + Sync + 'static>(&mut self, node: Node<T>, output: Arc<T>) {
        assert_eq!(node.flow, self.number, "a node of another flow");
        self.provide(node.at, output);
    }

    fn provide(&mut self, at: usize, output: Value) {
        let given = Outcome::unstarted(State::Given, Some(output));
        self.vertices[at].outcome = OnceLock::from(given);
        self.jobs[at] = Mutex::new(None);
        self.board.set(at, State::Given);
    }

    /// Gives all outputs that an earlier run of a flow of the same shape came
    /// to: only what failed, or was not reached, runs again.
    ///
    /// ```
    /// use errgroup::flow::{Flow, OtherShape};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let build = |disk: Result<u32, &'static str>| {
    ///     let mut flow = Flow::<&str>::new();
    ///     let a = flow.node("a", (), |()| async { Ok(20) });
    ///     let b = flow.node("b", a, move |a| async move { Ok(*a + disk?) });
    ///     (flow, b)
    /// };
    /// let earlier = build(Err("full")).0.run().await;
    ///
    /// let (mut flow, b) = build(Ok(1));
    /// flow.resume(&earlier)?;                     // "a" does not run again
    /// assert_eq!(flow.run().await.get(b).as_deref(), Some(&21));
    /// # Ok::<(), OtherShape>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// If the flows differ in their nodes' names or inputs, or an output is of another type
    /// than its node's is here; then nothing was given.
    pub fn resume(&mut self, earlier: &Report<E>) -> Result<(), OtherShape> {
        if !earlier.has_shape_of(self) {
            return Err(OtherShape);
        }
        for (at, output) in earlier.outputs() {
            self.provide(at, output);
        }
        Ok(())
    }

    /// Runs all nodes and returns when every one of them is gone. Dropping this
    /// future cancels the flow.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime. If an event of
    /// [`cancel_when`](Self::cancel_when) panicked, goes on with that. A panic of a node is
    /// its failure, also while what it holds is dropped.
    pub async fn run(self) -> Report<E> {
        Run::all(self).await
    }

    /// The graph in Mermaid's language.
    pub fn mermaid(&self) -> String {
        Drawing::of(self).mermaid()
    }

    /// The graph in Graphviz' language.
    pub fn dot(&self) -> String {
        Drawing::of(self).dot()
    }

    pub(super) fn push<I: Inputs, T: 'static>(
        &mut self,
        name: Cow<'static, str>,
        inputs: I,
        job: impl FnOnce(I) -> Job<E>,
    ) -> Node<T> {
        let at = self.vertices.len();
        let needed = self.edges.add(self.number, |edges| inputs.edges(edges));
        let Some(needed) = needed else {
            panic!("an input of {name} is a node of another flow");
        };
        let vertex = Vertex::new::<T>(name, needed);
        self.board.add(&vertex);
        self.vertices.push(vertex);
        self.jobs.push(Mutex::new(Some(job(inputs))));
        Node::new(at, self.number)
    }
}

impl<E: Send + 'static> Default for Flow<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for Flow<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.vertices.iter().map(|vertex| &vertex.name);
        f.debug_list().entries(names).finish()
    }
}

/// A report is of a flow of another shape; see [`Flow::resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherShape;

impl fmt::Display for OtherShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the report is of a flow with other nodes, inputs or outputs")
    }
}

impl std::error::Error for OtherShape {}
