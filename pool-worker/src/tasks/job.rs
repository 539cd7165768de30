//! Any future as a job.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

trait Work: Future<Output = ()> + Any + Send {}

impl<F: Future<Output = ()> + Send + 'static> Work for F {}

/// A boxed future that can be taken back as what it was, until it is pinned
/// to run.
pub(super) struct Job(Box<dyn Work>);

impl Job {
    pub(super) fn new<F: Future<Output = ()> + Send + 'static>(future: F) -> Self {
        Self(Box::new(future))
    }

    pub(super) fn run(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::into_pin(self.0)
    }

    /// The future this was made of.
    pub(super) fn into_inner<F: 'static>(self) -> F {
        let any: Box<dyn Any> = self.0;
        *any.downcast().expect("a rejected job is the submitted one")
    }
}
