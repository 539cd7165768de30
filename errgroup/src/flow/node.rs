//! Handles of nodes.

use std::fmt;
use std::marker::PhantomData;

/// A node of a [`Flow`](super::Flow) whose output is a `T`: what a later node
/// names as its input.
pub struct Node<T> {
    pub(super) at: usize,
    /// Number of the flow it belongs to.
    pub(super) flow: u64,
    output: PhantomData<fn() -> T>,
}

impl<T> Node<T> {
    pub(super) fn new(at: usize, flow: u64) -> Self {
        Self {
            at,
            flow,
            output: PhantomData,
        }
    }

    /// As an input that may be missing: who takes this runs once the node is
    /// done in any way, with `None` if it failed or was skipped.
    pub fn optional(self) -> Optional<T> {
        Optional(self)
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Node<T> {}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.at).finish()
    }
}

/// An input that may be missing; see [`Node::optional`].
pub struct Optional<T>(pub(super) Node<T>);

impl<T> Clone for Optional<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Optional<T> {}

impl<T> fmt::Debug for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Optional").field(&self.0.at).finish()
    }
}
