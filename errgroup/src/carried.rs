//! What a task has of its spawner: the request's context, and the span (feature
//! `tracing`).

use crate::context::Context;

/// Context and span of the spawner.
pub(crate) struct Carried {
    context: Option<Context>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Carried {
    /// May run foreign code, the subscriber's.
    #[inline]
    pub(crate) fn here() -> Self {
        Self {
            context: Context::current(),
            #[cfg(feature = "tracing")]
            span: current(),
        }
    }

    /// Whether there is nothing to carry: then the task goes as it is.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        #[cfg(feature = "tracing")]
        if !self.span.is_none() {
            return false;
        }
        self.context.is_none()
    }

    /// The task, in context and span.
    pub(crate) fn carry<F: Future>(self, task: F) -> impl Future<Output = F::Output> {
        let task = Context::run_if(self.context, task);
        #[cfg(feature = "tracing")]
        let task = tracing::Instrument::instrument(task, self.span);
        task
    }

    /// Calls `job` in context and span.
    #[inline]
    pub(crate) fn within<R>(self, job: impl FnOnce() -> R) -> R {
        let job = || match self.context {
            Some(context) => context.call(job),
            None => job(),
        };
        #[cfg(feature = "tracing")]
        return self.span.in_scope(job);
        #[cfg(not(feature = "tracing"))]
        job()
    }
}

/// None without asking, if no subscriber takes anything: to ask costs more than
/// all else a group does for a task.
#[cfg(feature = "tracing")]
#[inline]
fn current() -> tracing::Span {
    use tracing::level_filters::LevelFilter;
    if LevelFilter::current() == LevelFilter::OFF {
        return tracing::Span::none();
    }
    tracing::Span::current()
}
