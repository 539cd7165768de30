//! Any closure as a job.

use std::any::Any;

trait Work: Any + Send {
    fn run(self: Box<Self>);
}

impl<F: FnOnce() + Send + 'static> Work for F {
    fn run(self: Box<Self>) {
        (*self)();
    }
}

/// A boxed closure that can be taken back as what it was.
pub(super) struct Job(Box<dyn Work>);

impl Job {
    pub(super) fn new<F: FnOnce() + Send + 'static>(f: F) -> Self {
        Self(Box::new(f))
    }

    pub(super) fn run(self) {
        self.0.run();
    }

    /// The closure this was made of.
    pub(super) fn into_inner<F: 'static>(self) -> F {
        let any: Box<dyn Any> = self.0;
        *any.downcast().expect("a rejected job is the submitted one")
    }
}
