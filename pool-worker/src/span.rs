//! The submitter's span goes with the job, with the feature `tracing`; without
//! it a job travels alone.

use std::future::Future;

/// A job on its way to a worker.
pub(crate) struct Carried<J> {
    job: J,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl<J> Carried<J> {
    #[inline]
    pub(crate) fn new(job: J) -> Self {
        Self {
            job,
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    #[inline]
    pub(crate) fn into_job(self) -> J {
        self.job
    }

    /// Runs the job in the span it was submitted in.
    #[inline]
    pub(crate) fn run(self, run: impl FnOnce(J)) {
        #[cfg(feature = "tracing")]
        let _entered = self.span.entered();
        run(self.job);
    }

    /// Runs the job in the span it was submitted in, whenever it is polled. The
    /// function is called at the first poll.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code))]
    #[inline]
    pub(crate) async fn run_async<Fut>(self, run: impl FnOnce(J) -> Fut)
    where
        Fut: Future<Output = ()>,
    {
        #[cfg(feature = "tracing")]
        {
            use tracing::Instrument as _;
            let Self { job, span } = self;
            async { run(job).await }.instrument(span).await;
        }
        #[cfg(not(feature = "tracing"))]
        run(self.job).await;
    }
}
