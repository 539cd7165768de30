//! Any future as a job.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::handle::Report;
use crate::outcome::Outcome;
use crate::permits::Permit;

/// What a job is made of.
pub(super) trait Work: Future<Output = Outcome> + Any + Send {
    /// Is dropped, to make room for another.
    fn displace(self: Box<Self>);
}

/// A boxed future that can be taken back as what it was, until it is pinned
/// to run.
pub(super) struct Job(Box<dyn Work>);

impl Job {
    pub(super) fn new<W: Work>(work: W) -> Self {
        Self(Box::new(work))
    }

    /// Drops the future, to make room for another.
    pub(super) fn displace(self) {
        self.0.displace();
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

impl<F: Future<Output = ()> + Send + 'static> Work for Plain<F> {
    fn displace(self: Box<Self>) {}
}

pin_project! {
    /// A future with a name.
    pub(super) struct Named<F> {
        #[pin]
        pub(super) future: F,
        pub(super) name: &'static str,
    }
}

impl<F: Future<Output = ()>> Future for Named<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        #[cfg(feature = "tracing")]
        let _entered = tracing::info_span!("job", name = *this.name).entered();
        match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(polled) => polled.map(|()| Outcome::Ran),
            Err(payload) => Poll::Ready(Outcome::NamedPanicked(this.name, payload)),
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Work for Named<F> {
    fn displace(self: Box<Self>) {}
}

pin_project! {
    /// A future that has a place of a sub-pool, until it is dropped.
    pub(super) struct Limited<F> {
        #[pin]
        pub(super) future: F,
        pub(super) permit: Permit,
    }
}

impl<F: Future<Output = ()>> Future for Limited<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.project().future.poll(cx).map(|()| Outcome::Ran)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Work for Limited<F> {
    fn displace(self: Box<Self>) {}
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

impl<F> Work for Tracked<F, F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn displace(self: Box<Self>) {
        self.report.displaced();
    }
}
