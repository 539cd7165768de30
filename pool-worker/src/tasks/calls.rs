//! Calls of a function pool of tasks, whose results are awaited.

use std::future::Future;

use super::FuncPool;
use super::job::Tracked;
use crate::call::Call;
use crate::error::SubmitError;
use crate::handle::{Handle, handle};

impl<Fut: Future> Tracked<Fut, Fut::Output> {
    pub(super) fn of<T>(call: Call<T, Fut::Output>, run: &impl Fn(T) -> Fut) -> Self {
        Self {
            future: run(call.job),
            report: call.report,
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
        let (handle, report) = handle(self.dispatcher.address());
        let submitted = self.submit(Call { job, report }).await;
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }

    /// As [`call`](Self::call), but fails at once where that waits.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit).
    pub fn try_call(&self, job: T) -> Result<Handle<R>, SubmitError<T>> {
        let (handle, report) = handle(self.dispatcher.address());
        let submitted = self.try_submit(Call { job, report });
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }
}
