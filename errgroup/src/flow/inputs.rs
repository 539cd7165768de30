//! What a node can take: nothing, one node, a tuple, an array or a vector.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::node::{Node, Optional};

/// The output of a node, its type forgotten.
pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// One input.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    pub(super) from: usize,
    pub(super) flow: u64,
    pub(super) optional: bool,
    /// Whose input it is; known once the node is added.
    pub(super) to: usize,
    /// The next edge from the same node.
    pub(super) next: Option<usize>,
}

impl Edge {
    fn new<T>(node: &Node<T>, optional: bool) -> Self {
        Self {
            from: node.at,
            flow: node.flow,
            optional,
            to: usize::MAX,
            next: None,
        }
    }
}

/// The outputs so far.
pub struct Outputs<'a>(pub(super) &'a dyn Fn(usize) -> Option<Value>);

impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outputs").finish_non_exhaustive()
    }
}

/// Inputs of a node, and what its function gets for them: `Arc<T>` for a
/// [`Node<T>`], `Option<Arc<T>>` for an [`Optional<T>`]; tuples of up to eight,
/// arrays and vectors of inputs; `()` for none.
///
/// Not to be implemented elsewhere.
pub trait Inputs: Send + 'static {
    /// What the function gets; anew for each attempt.
    type Values: Clone + Send + 'static;

    #[doc(hidden)]
    fn edges(&self, edges: &mut Vec<Edge>);

    /// `None` if an input is missing.
    #[doc(hidden)]
    fn values(&self, outputs: &Outputs<'_>) -> Option<Self::Values>;
}

impl<T: Send + Sync + 'static> Inputs for Node<T> {
    type Values = Arc<T>;

    fn edges(&self, edges: &mut Vec<Edge>) {
        edges.push(Edge::new(self, false));
    }

    fn values(&self, outputs: &Outputs<'_>) -> Option<Arc<T>> {
        let value = outputs.0(self.at)?.downcast();
        Some(value.expect("a node's output is what its handle says"))
    }
}

impl<T: Send + Sync + 'static> Inputs for Optional<T> {
    type Values = Option<Arc<T>>;

    fn edges(&self, edges: &mut Vec<Edge>) {
        edges.push(Edge::new(&self.0, true));
    }

    fn values(&self, outputs: &Outputs<'_>) -> Option<Option<Arc<T>>> {
        Some(self.0.values(outputs))
    }
}

impl<I: Inputs> Inputs for Vec<I> {
    type Values = Vec<I::Values>;

    fn edges(&self, edges: &mut Vec<Edge>) {
        self.iter().for_each(|input| input.edges(edges));
    }

    fn values(&self, outputs: &Outputs<'_>) -> Option<Self::Values> {
        self.iter().map(|input| input.values(outputs)).collect()
    }
}

impl<I: Inputs, const N: usize> Inputs for [I; N] {
    type Values = [I::Values; N];

    fn edges(&self, edges: &mut Vec<Edge>) {
        self.iter().for_each(|input| input.edges(edges));
    }

    fn values(&self, outputs: &Outputs<'_>) -> Option<Self::Values> {
        let values: Option<Vec<_>> = self.iter().map(|input| input.values(outputs)).collect();
        values?.try_into().ok()
    }
}

macro_rules! tuples {
    ($(($($input:ident)*))*) => {$(
        #[allow(non_snake_case, unused_variables, clippy::unused_unit)]
        impl<$($input: Inputs),*> Inputs for ($($input,)*) {
            type Values = ($($input::Values,)*);

            fn edges(&self, edges: &mut Vec<Edge>) {
                let ($($input,)*) = self;
                $($input.edges(edges);)*
            }

            fn values(&self, outputs: &Outputs<'_>) -> Option<Self::Values> {
                let ($($input,)*) = self;
                Some(($($input.values(outputs)?,)*))
            }
        }
    )*};
}

tuples! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
}
