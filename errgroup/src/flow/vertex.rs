//! A node without what it does: its name, what it still waits for, what became of it.

use std::any::TypeId;
use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::inputs::Value;
use super::report::State;

/// The same from the first line of the flow to the report: nothing is moved between.
#[derive(Debug)]
pub(super) struct Vertex {
    pub(super) name: Cow<'static, str>,
    /// The type of its output.
    pub(super) kind: TypeId,
    /// Inputs that are not settled yet.
    pub(super) open: AtomicUsize,
    /// Empty until the node is settled, and for good if it never was.
    pub(super) outcome: OnceLock<Outcome>,
}

/// What became of a node; its failure is kept elsewhere, as an error need not be
/// `Sync`, and is rare.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) state: State,
    pub(super) started: Option<Duration>,
    pub(super) ended: Option<Duration>,
    pub(super) attempts: u32,
    pub(super) output: Option<Value>,
}

impl Outcome {
    /// Of a node that did not run.
    pub(super) fn unstarted(state: State, output: Option<Value>) -> Self {
        Self {
            state,
            started: None,
            ended: None,
            attempts: 0,
            output,
        }
    }
}

impl Vertex {
    /// Its output is a `T`.
    pub(super) fn new<T: 'static>(name: Cow<'static, str>, inputs: usize) -> Self {
        Self {
            name,
            kind: TypeId::of::<T>(),
            open: AtomicUsize::new(inputs),
            outcome: OnceLock::new(),
        }
    }

    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.get().is_some()
    }

    #[inline]
    pub(super) fn output(&self) -> Option<&Value> {
        self.outcome.get()?.output.as_ref()
    }

    /// Once for each node.
    #[inline]
    pub(super) fn settle(&self, outcome: Outcome) {
        let first = self.outcome.set(outcome).is_ok();
        debug_assert!(first, "a node is settled once");
    }
}
