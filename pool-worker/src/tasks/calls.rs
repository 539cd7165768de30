//! Calls of a function pool of tasks, whose results are awaited.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::FuncPool;
use super::job::Tracked;
use crate::call::Call;
use crate::error::SubmitError;
use crate::handle::{Handle, handle};
use crate::outcome::Outcome;

pin_project! {
    /// A call whose function was asked for its future.
    #[project = Step]
    pub(super) enum Called<F, R> {
        Made { #[pin] tracked: Tracked<F, R> },
        /// It came to its end without one.
        Over { outcome: Option<Outcome> },
    }
}

impl<Fut: Future> Called<Fut, Fut::Output> {
    /// What the function does before it returns its future is a part of the job: it is not
    /// done for one that was called off, and its panic is told to the handle.
    pub(super) fn of<T>(call: Call<T, Fut::Output>, run: &impl Fn(T) -> Fut) -> Self {
        let Call { job, report } = call;
        let outcome = match report.begin() {
            Ok(()) => match catch_unwind(AssertUnwindSafe(|| run(job))) {
                Ok(future) => {
                    let tracked = Tracked { future, report };
                    return Self::Made { tracked };
                }
                Err(payload) => report.end(Err(payload)),
            },
            Err(called_off) => called_off,
        };
        let outcome = Some(outcome);
        Self::Over { outcome }
    }
}

impl<F: Future> Future for Called<F, F::Output> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.project() {
            Step::Made { tracked } => tracked.poll(cx),
            Step::Over { outcome } => {
                Poll::Ready(outcome.take().expect("not polled after it was ready"))
            }
        }
    }
}

impl<T: Send + 'static, R: Send + 'static> FuncPool<Call<T, R>> {
    /// Accepts the argument of a job and gives its handle; waits while the
    /// pool is full.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use pool_worker::tasks::FuncPool;
    ///
    /// let pool = FuncPool::builder().build_calls(|n: u64| async move { n * n });
    /// assert_eq!(pool.call(3).await?.await?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn call(&self, job: T) -> Result<Handle<R>, SubmitError<T>> {
        let (handle, report) = handle(&self.dispatcher.identity, None);
        let submitted = self.submit(Call { job, report }).await;
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }

    /// As [`call`](Self::call), but fails at once where that waits.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit).
    pub fn try_call(&self, job: T) -> Result<Handle<R>, SubmitError<T>> {
        let (handle, report) = handle(&self.dispatcher.identity, None);
        let submitted = self.try_submit(Call { job, report });
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }
}
