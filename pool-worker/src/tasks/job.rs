//! Any future as a job.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::handle::Report;
use crate::outcome::Outcome;

trait Work: Future<Output = Outcome> + Any + Send {}

impl<F: Future<Output = Outcome> + Send + 'static> Work for F {}

/// A boxed future that can be taken back as what it was, until it is pinned
/// to run.
pub(super) struct Job(Box<dyn Work>);

impl Job {
    pub(super) fn new<F: Future<Output = Outcome> + Send + 'static>(future: F) -> Self {
        Self(Box::new(future))
    }

    pub(super) fn run(self) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        Box::into_pin(self.0)
    }

    /// The future this was made of.
    pub(super) fn into_inner<F: 'static>(self) -> F {
        let any: Box<dyn Any> = self.0;
        *any.downcast().expect("a rejected job is the submitted one")
    }
}

pin_project! {
    /// A future as it was submitted.
    pub(super) struct Plain<F> {
        #[pin]
        pub(super) future: F,
    }
}

impl<F: Future<Output = ()>> Future for Plain<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.project().future.poll(cx).map(|()| Outcome::Ran)
    }
}

pin_project! {
    /// A future whose end is told to a handle.
    pub(super) struct Tracked<F, R> {
        #[pin]
        pub(super) future: F,
        pub(super) report: Report<R>,
    }
}

impl<F: Future> Future for Tracked<F, F::Output> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        if !this.report.run(Some(cx.waker())) {
            return Poll::Ready(Outcome::Cancelled);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.poll(cx)));
        let result = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(payload) => Err(payload),
        };
        Poll::Ready(this.report.end(result))
    }
}
