//! The spawner's span goes with the task (feature `tracing`).

#[cfg(feature = "tracing")]
pub(crate) fn carry<F: Future>(task: F) -> impl Future<Output = F::Output> {
    tracing::Instrument::in_current_span(task)
}

#[cfg(not(feature = "tracing"))]
#[inline]
pub(crate) fn carry<F: Future>(task: F) -> F {
    task
}
