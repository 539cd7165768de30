//! The submitter's span goes with the job, with the feature `tracing`; without
//! it a job travels alone.

use std::future::{Future, poll_fn};
use std::pin::pin;

/// A job on its way to a worker.
pub(crate) struct Carried<J> {
    job: J,
    #[cfg(feature = "tracing")]
    span: Span,
}

/// The submitter's span. Most often there is none, which costs a word and a
/// look at a static.
#[cfg(feature = "tracing")]
struct Span(Option<Box<tracing::Span>>);

#[cfg(feature = "tracing")]
impl Span {
    #[inline]
    fn current() -> Self {
        use tracing::level_filters::LevelFilter;
        if LevelFilter::current() == LevelFilter::OFF {
            return Self(None);
        }
        let span = tracing::Span::current();
        Self((!span.is_none()).then(|| Box::new(span)))
    }

    #[inline]
    fn enter(&self) -> Option<tracing::span::Entered<'_>> {
        self.0.as_ref().map(|span| span.enter())
    }
}

impl<J> Carried<J> {
    #[inline]
    pub(crate) fn new(job: J) -> Self {
        Self {
            job,
            #[cfg(feature = "tracing")]
            span: Span::current(),
        }
    }

    #[inline]
    pub(crate) fn into_job(self) -> J {
        self.job
    }

    /// Runs the job in the span it was submitted in.
    #[inline]
    pub(crate) fn run<R>(self, run: impl FnOnce(J) -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        run(self.job)
    }

    /// As [`run`](Self::run), without moving the job.
    #[inline]
    pub(crate) fn run_in_place<R>(&mut self, run: impl FnOnce(&mut J) -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        run(&mut self.job)
    }

    /// Runs the job in the span it was submitted in, whenever it is polled. The
    /// function is called at the first poll.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code))]
    #[inline]
    pub(crate) async fn run_async<Fut: Future>(self, run: impl FnOnce(J) -> Fut) -> Fut::Output {
        #[cfg(feature = "tracing")]
        let span = self.span;
        let future = {
            #[cfg(feature = "tracing")]
            let _entered = span.enter();
            run(self.job)
        };
        let mut future = pin!(future);
        poll_fn(|cx| {
            #[cfg(feature = "tracing")]
            let _entered = span.enter();
            future.as_mut().poll(cx)
        })
        .await
    }
}
