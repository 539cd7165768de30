//! Calls of a function pool of threads, whose results are waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::FuncPool;
use crate::call::Call;
use crate::error::SubmitError;
use crate::handle::{Handle, handle};
use crate::outcome::Outcome;

impl<T, R> Call<T, R> {
    pub(super) fn run(self, run: &impl Fn(T) -> R) -> Outcome {
        if let Err(called_off) = self.report.run(None) {
            return called_off;
        }
        let result = catch_unwind(AssertUnwindSafe(|| run(self.job)));
        self.report.end(result)
    }
}

impl<T: Send + 'static, R: Send + 'static> FuncPool<Call<T, R>> {
    /// Accepts the argument of a job and gives its handle; blocks while the
    /// pool is full.
    ///
    /// ```
    /// use pool_worker::threads::FuncPool;
    ///
    /// let pool = FuncPool::builder().capacity(2).build_calls(|n: u64| n * n);
    /// let squares = [pool.call(3)?, pool.call(4)?];
    /// assert_eq!(squares.map(|square| square.wait().unwrap()), [9, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn call(&self, job: T) -> Result<Handle<R>, SubmitError<T>> {
        let (handle, report) = handle(&self.dispatcher.identity, None);
        let submitted = self.submit(Call { job, report });
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }

    /// As [`call`](Self::call), but waits where that blocks: see
    /// [`submit_async`](Self::submit_async). Dropped while it waits, the argument is dropped
    /// too, unless it was accepted just then.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use pool_worker::threads::FuncPool;
    ///
    /// let pool = FuncPool::builder().capacity(2).build_calls(|n: u64| n * n);
    /// assert_eq!(pool.call_async(3).await?.await?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn call_async(&self, job: T) -> Result<Handle<R>, SubmitError<T>> {
        let (handle, report) = handle(&self.dispatcher.identity, None);
        let submitted = self.submit_async(Call { job, report }).await;
        submitted.map_err(|error| error.map(|call| call.job))?;
        Ok(handle)
    }

    /// As [`call`](Self::call), but fails at once where that blocks.
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
