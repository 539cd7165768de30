//! What becomes of a job's panic.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The panic of a job, as the panic handler gets it.
#[non_exhaustive]
pub struct JobPanic<'a> {
    /// The name of the pool.
    pub pool: &'a str,
    /// The name of the job, if it was submitted with one.
    pub job: Option<&'a str>,
    /// What the job panicked with.
    pub payload: Box<dyn Any + Send>,
}

impl JobPanic<'_> {
    /// The message, when the job panicked with one, as `panic!` does.
    pub fn message(&self) -> Option<&str> {
        message(&*self.payload)
    }
}

impl fmt::Debug for JobPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobPanic")
            .field("pool", &self.pool)
            .field("job", &self.job)
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

pub(crate) fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

pub(crate) type PanicHandler = Arc<dyn Fn(JobPanic<'_>) + Send + Sync>;

/// Tells the handler. A panic of the handler itself, of the payload as it is dropped, or
/// of a subscriber that is told first, ends here: none may cost a worker.
#[cold]
#[inline(never)]
pub(crate) fn report(handler: Option<&PanicHandler>, panic: JobPanic<'_>) {
    #[cfg(feature = "tracing")]
    contain(|| {
        tracing::error!(
            pool = panic.pool,
            job = panic.job,
            panic = panic.message(),
            "a job panicked"
        );
    });

    contain(|| match handler {
        Some(handler) => handler(panic),
        None => drop(panic),
    });
}

/// Runs `f` where a panic must go no further.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Its drop could panic again; a leak is the end of that.
        std::mem::forget(payload);
    }
}
