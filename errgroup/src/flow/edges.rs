//! Who needs whom: the inputs of all nodes, in one list.

use super::inputs::Edge;

#[derive(Debug, Default)]
pub(super) struct Edges {
    all: Vec<Edge>,
    /// Where in `all` the inputs of each node end.
    ends: Vec<usize>,
}

impl Edges {
    /// Adds a node with the inputs that `fill` appends.
    pub(super) fn add(&mut self, fill: impl FnOnce(&mut Vec<Edge>)) {
        fill(&mut self.all);
        self.ends.push(self.all.len());
    }

    /// The inputs of a node.
    pub(super) fn of(&self, node: usize) -> &[Edge] {
        let start = node.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.all[start..self.ends[node]]
    }

    /// Whether these are the same nodes with the same inputs.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        let from = |edges: &Self| edges.all.iter().map(|edge| edge.from).collect::<Vec<_>>();
        self.ends == other.ends && from(self) == from(other)
    }
}
