//! Who needs whom: the inputs of all nodes in one list, and through it, for each node,
//! a list of those that need it.

use std::iter;

use super::inputs::Edge;

#[derive(Debug, Default)]
pub(super) struct Edges {
    all: Vec<Edge>,
    nodes: Vec<Ends>,
}

/// Where in `all` the lists of a node lie.
#[derive(Debug)]
struct Ends {
    /// Its inputs end here, and those of the next node begin.
    inputs: usize,
    /// The first edge to one that needs it, which names the next, and the last.
    needed: Option<(usize, usize)>,
}

impl Edges {
    /// Adds a node with the inputs that `fill` appends, and says how many they are;
    /// `None`, and nothing is added, if one of them is of another flow.
    pub(super) fn add(&mut self, flow: u64, fill: impl FnOnce(&mut Vec<Edge>)) -> Option<usize> {
        let (node, start) = (self.nodes.len(), self.all.len());
        fill(&mut self.all);
        if self.all[start..].iter().any(|edge| edge.flow != flow) {
            self.all.truncate(start);
            return None;
        }
        for at in start..self.all.len() {
            self.all[at].to = node;
            match &mut self.nodes[self.all[at].from].needed {
                Some((_, last)) => {
                    self.all[*last].next = Some(at);
                    *last = at;
                }
                none => *none = Some((at, at)),
            }
        }
        self.nodes.push(Ends {
            inputs: self.all.len(),
            needed: None,
        });
        Some(self.all.len() - start)
    }

    /// The inputs of a node.
    #[inline]
    pub(super) fn of(&self, node: usize) -> &[Edge] {
        let start = node.checked_sub(1).map_or(0, |at| self.nodes[at].inputs);
        &self.all[start..self.nodes[node].inputs]
    }

    /// The nodes that need it, in the order they were added.
    #[inline]
    pub(super) fn needing(&self, node: usize) -> impl Iterator<Item = usize> {
        let first = self.nodes[node].needed.map(|(first, _)| first);
        let edges = iter::successors(first, |&at| self.all[at].next);
        edges.map(|at| self.all[at].to)
    }

    /// Whether these are the same nodes with the same inputs.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        let shape = |edges: &Self| -> Vec<_> {
            let edges = edges.all.iter();
            edges.map(|edge| (edge.from, edge.to)).collect()
        };
        self.nodes.len() == other.nodes.len() && shape(self) == shape(other)
    }
}
