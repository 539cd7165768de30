//! The submitter's span, which goes with the job (feature `tracing`).

#[cfg(feature = "tracing")]
#[derive(Clone, Debug)]
pub(crate) struct Span(tracing::Span);

#[cfg(feature = "tracing")]
impl Span {
    pub(crate) fn current() -> Self {
        Self(tracing::Span::current())
    }

    pub(crate) fn in_scope<R>(&self, run: impl FnOnce() -> R) -> R {
        self.0.in_scope(run)
    }
}

#[cfg(not(feature = "tracing"))]
#[derive(Clone, Debug)]
pub(crate) struct Span;

#[cfg(not(feature = "tracing"))]
impl Span {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn in_scope<R>(&self, run: impl FnOnce() -> R) -> R {
        run()
    }
}
