//! Where the nodes are while the flow runs, for whoever watches.

use std::borrow::Cow;
use std::sync::OnceLock;

use tokio::sync::watch::{Receiver, Sender};

use super::graph::Flow;
use super::node::Node;
use super::report::State;
use super::vertex::Vertex;

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// As it was named.
    pub name: Cow<'static, str>,
    /// Where it is, or how it ended.
    pub state: State,
}

impl NodeState {
    fn of(vertex: &Vertex) -> Self {
        let settled = vertex.outcome.get().map(|outcome| outcome.state);
        Self {
            name: vertex.name.clone(),
            state: settled.unwrap_or(State::Pending),
        }
    }
}

/// Sees from elsewhere where each node of a flow is; of [`Flow::watcher`]. Does not keep
/// the flow going, and goes on to tell how each node ended after the end.
///
/// ```
/// use errgroup::flow::{Flow, State};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut flow = Flow::<String>::new();
/// let a = flow.node("a", (), |()| async { Ok(20) });
/// flow.node("b", a, |a| async move { Ok(*a + 1) });
///
/// let mut watcher = flow.watcher();
/// let shown = tokio::spawn(async move {
///     while watcher.changed().await {
///         for node in watcher.nodes() {
///             println!("{}: {}", node.name, node.state);      // a: running, b: pending ..
///         }
///     }
///     watcher.state(a)
/// });
/// flow.run().await;
/// assert_eq!(shown.await.unwrap(), State::Succeeded);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Watcher {
    flow: u64,
    nodes: Receiver<Vec<NodeState>>,
}

impl Watcher {
    /// All nodes as they are now, in the order they were added. Does not wait.
    pub fn nodes(&self) -> Vec<NodeState> {
        self.nodes.borrow().clone()
    }

    /// Where a node is now. Does not wait.
    ///
    /// # Panics
    ///
    /// If it is a node of another flow.
    pub fn state<T>(&self, node: Node<T>) -> State {
        assert_eq!(node.flow, self.flow, "a node of another flow");
        self.nodes.borrow()[node.at].state
    }

    /// Waits until something has changed since this last returned, or since the watcher was
    /// made; of several changes meanwhile only the last state is there to be read. False
    /// once the flow is over and nothing changes any more: it has run, or was dropped.
    ///
    /// Cancel safe. A clone has seen what the one it is of has seen.
    pub async fn changed(&mut self) -> bool {
        self.nodes.changed().await.is_ok()
    }
}

impl<E: Send + 'static> Flow<E> {
    /// Something to see from elsewhere where each node is, as the flow runs.
    ///
    /// A flow that has none pays nothing for it; one that has tells of each node that starts
    /// and ends, under a lock.
    pub fn watcher(&self) -> Watcher {
        let nodes = self
            .board
            .0
            .get_or_init(|| Sender::new(self.vertices.iter().map(NodeState::of).collect()));
        Watcher {
            flow: self.number,
            nodes: nodes.subscribe(),
        }
    }
}

/// What is told to watchers; nothing as long as there is none.
#[derive(Debug, Default)]
pub(super) struct Board(OnceLock<Sender<Vec<NodeState>>>);

impl Board {
    /// A node was added to the flow.
    pub(super) fn add(&self, vertex: &Vertex) {
        if let Some(nodes) = self.0.get() {
            nodes.send_modify(|nodes| nodes.push(NodeState::of(vertex)));
        }
    }

    #[inline]
    pub(super) fn set(&self, at: usize, state: State) {
        if let Some(nodes) = self.0.get() {
            nodes.send_modify(|nodes| nodes[at].state = state);
        }
    }
}

impl Drop for Board {
    /// What is not done by now will not be.
    fn drop(&mut self) {
        let Some(nodes) = self.0.get() else {
            return;
        };
        nodes.send_if_modified(|nodes| {
            let mut left = false;
            for node in nodes.iter_mut().filter(|node| !node.state.has_ended()) {
                (node.state, left) = (State::Cancelled, true);
            }
            left
        });
    }
}
