//! The submitter's span goes with the job, with the feature `tracing`; without
//! it a job travels alone.

use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::{
    future::{Future, poll_fn},
    pin::pin,
};

/// A job on its way to a worker.
pub(crate) struct Carried<J> {
    job: J,
    #[cfg(feature = "tracing")]
    span: Span,
}

/// The submitter's span. Most often there is none, which costs a word and a
/// look at a static.
#[cfg(feature = "tracing")]
pub(crate) struct Span(Option<Box<Closing>>);

/// A span whose end costs nobody anything: it calls the subscriber, on a worker as a
/// rule, and when the account of its job is closed already.
#[cfg(feature = "tracing")]
struct Closing(tracing::Span);

#[cfg(feature = "tracing")]
impl Drop for Closing {
    fn drop(&mut self) {
        let span = std::mem::replace(&mut self.0, tracing::Span::none());
        crate::panic::contain(|| drop(span));
    }
}

/// No span.
#[cfg(all(feature = "tokio", not(feature = "tracing")))]
pub(crate) struct Span;

#[cfg(feature = "tracing")]
impl Span {
    #[inline]
    fn current() -> Self {
        use tracing::level_filters::LevelFilter;
        if LevelFilter::current() == LevelFilter::OFF {
            return Self(None);
        }
        let span = tracing::Span::current();
        Self((!span.is_none()).then(|| Box::new(Closing(span))))
    }

    #[inline]
    fn enter(&self) -> Option<tracing::span::Entered<'_>> {
        self.0.as_ref().map(|span| span.0.enter())
    }
}

#[cfg(feature = "tokio")]
impl Span {
    /// No span.
    pub(crate) fn none() -> Self {
        #[cfg(feature = "tracing")]
        return Self(None);
        #[cfg(not(feature = "tracing"))]
        Self
    }

    /// Runs `run` in the span.
    #[inline]
    pub(crate) fn run<R>(&self, run: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.enter();
        run()
    }

    /// Makes a future in the span, and polls it there.
    pub(crate) async fn run_async<F: Future>(self, make: impl FnOnce() -> F) -> F::Output {
        let mut future = pin!(self.run(make));
        poll_fn(|cx| self.run(|| future.as_mut().poll(cx))).await
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

    /// A job in no span, whoever submits it.
    pub(crate) fn alone(job: J) -> Self {
        Self {
            job,
            #[cfg(feature = "tracing")]
            span: Span(None),
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

    /// The job, and where to run it.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn into_parts(self) -> (J, Span) {
        #[cfg(feature = "tracing")]
        return (self.job, self.span);
        #[cfg(not(feature = "tracing"))]
        (self.job, Span)
    }
}

/// The name of a job, and the span `job` that tells it.
pub(crate) struct Name {
    pub(crate) job: &'static str,
    #[cfg(feature = "tracing")]
    pool: Arc<str>,
    /// Made as the job starts.
    #[cfg(feature = "tracing")]
    span: Option<Closing>,
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
impl Name {
    pub(crate) fn new(job: &'static str, pool: &Arc<str>) -> Self {
        Self {
            job,
            #[cfg(feature = "tracing")]
            pool: Arc::clone(pool),
            #[cfg(feature = "tracing")]
            span: None,
        }
    }

    /// Runs `run`, or a part of the job, in the span.
    pub(crate) fn run<R>(&mut self, run: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self
            .span
            .get_or_insert_with(|| {
                Closing(tracing::info_span!(
                    "job",
                    name = self.job,
                    pool = &*self.pool
                ))
            })
            .0
            .enter();
        run()
    }
}
