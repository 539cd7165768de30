//! The handle of a job: its result, and the way to call it off.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::block_on::block_on;
use crate::identity::Identity;
use crate::job_error::{JobError, JobFailure};
use crate::outcome::Outcome;
use crate::sync::{Mutex, MutexGuard};
use crate::wakers::wake_all;

enum Stage<R> {
    Queued,
    /// Its future is being made, and will see in its first poll what is said meanwhile.
    #[cfg(feature = "tokio")]
    Starting,
    /// With what wakes it, where a running job can be cancelled.
    Running(Option<Waker>),
    /// Cancelled before it started: told at once.
    CalledOff,
    /// Cancelled while it ran: told when it has been dropped.
    Aborted,
    Ended(Result<R, JobFailure>),
    /// The result was handed out.
    Taken,
}

struct State<R> {
    stage: Stage<R>,
    /// Waits for the end.
    waiter: Option<Waker>,
    /// The handle was dropped: nobody will be told.
    detached: bool,
}

/// The handle of a job that was submitted with `spawn`.
///
/// A future of the result; [`wait`](Self::wait) blocks for it. Dropped, it lets the job
/// go on: its result is dropped, and a panic from then on goes to the panic handler of
/// the pool. One that the handle had been given by then is dropped with it.
#[must_use = "a handle that is dropped lets the job go on; its result is lost"]
pub struct Handle<R>(Arc<Shared<R>>);

/// A job and its handle.
struct Shared<R> {
    pool: Arc<Identity>,
    job: Option<&'static str>,
    state: Mutex<State<R>>,
}

impl<R> Shared<R> {
    fn error(&self, reason: JobFailure) -> JobError {
        JobError::new(&self.pool, self.job, reason)
    }
}

/// The job's side of a handle. Dropped without an end, it tells that the job
/// was cancelled.
pub(crate) struct Report<R>(Arc<Shared<R>>);

/// For a job of the pool, which may have a name.
pub(crate) fn handle<R>(pool: &Arc<Identity>, job: Option<&'static str>) -> (Handle<R>, Report<R>) {
    let shared = Arc::new(Shared {
        pool: Arc::clone(pool),
        job,
        state: Mutex::new(State {
            stage: Stage::Queued,
            waiter: None,
            detached: false,
        }),
    });
    (Handle(Arc::clone(&shared)), Report(shared))
}

impl<R> Handle<R> {
    /// Blocks until the job has ended. For threads that are not of a runtime.
    ///
    /// # Errors
    /// The panic of the job; that it was cancelled or displaced; or
    /// [`JobFailure::Nested`] if this is called by a job of the same pool before
    /// that one has ended.
    pub fn wait(mut self) -> Result<R, JobError> {
        loop {
            if let Some(result) = block_on(&mut self, None) {
                return result;
            }
        }
    }

    /// As [`wait`](Self::wait), for at most `limit`; `None` if the job has not ended by
    /// then. It goes on, and can be waited for again.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    /// When its result was handed out before.
    pub fn wait_timeout(&mut self, limit: Duration) -> Option<Result<R, JobError>> {
        block_on(self, Some(limit))
    }

    /// Calls the job off; true if the handle tells [`JobFailure::Cancelled`] for it.
    ///
    /// A job that has not started never does, which is told at once; it keeps its
    /// place in the queue until its turn, when it is dropped. A job that runs on
    /// tasks is dropped where it waits; if it comes to its end just now, its result
    /// is. On threads a running job goes on, and ended is ended: both are false.
    pub fn cancel(&self) -> bool {
        let mut state = self.0.state.lock();
        let (stage, waker) = match &mut state.stage {
            Stage::Queued => (Stage::CalledOff, state.waiter.take()),
            #[cfg(feature = "tokio")]
            Stage::Starting => (Stage::Aborted, None),
            Stage::Running(waker @ Some(_)) => (Stage::Aborted, waker.take()),
            Stage::Running(None) | Stage::Ended(_) | Stage::Taken => return false,
            Stage::CalledOff | Stage::Aborted => return true,
        };
        state.stage = stage;
        drop(state);
        wake_all(waker);
        true
    }

    /// Whether the job has ended, in whichever way.
    pub fn is_finished(&self) -> bool {
        let stage = &self.0.state.lock().stage;
        matches!(stage, Stage::Ended(_) | Stage::Taken | Stage::CalledOff)
    }
}

impl<R> Future for Handle<R> {
    type Output = Result<R, JobError>;

    /// # Panics
    /// When polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut fresh = None;
        loop {
            let mut state = self.0.state.lock();
            match std::mem::replace(&mut state.stage, Stage::Taken) {
                Stage::Ended(result) => {
                    return Poll::Ready(result.map_err(|reason| self.0.error(reason)));
                }
                Stage::Taken => panic!("polled after it was ready"),
                Stage::CalledOff => {
                    // As it was, for the job to see when its turn comes.
                    state.stage = Stage::CalledOff;
                    return Poll::Ready(Err(self.0.error(JobFailure::Cancelled)));
                }
                stage => state.stage = stage,
            }
            if self.0.pool.is_within() {
                return Poll::Ready(Err(self.0.error(JobFailure::Nested)));
            }
            let known = state.waiter.as_ref();
            if known.is_some_and(|known| known.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if fresh.is_some() {
                let replaced = std::mem::replace(&mut state.waiter, fresh);
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            // Not under the lock: see `wakers`.
            drop(state);
            fresh = Some(cx.waker().clone());
        }
    }
}

impl<R> Drop for Handle<R> {
    fn drop(&mut self) {
        // Alone, it has nobody left to tell.
        if Arc::strong_count(&self.0) > 1 {
            let mut state = self.0.state.lock();
            state.detached = true;
            let waiter = state.waiter.take();
            drop(state);
            drop(waiter);
        }
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl<R> Report<R> {
    /// The job starts with what comes before its first poll, unless it was called off.
    #[cfg(feature = "tokio")]
    pub(crate) fn begin(&self) -> Result<(), Outcome> {
        let mut state = self.0.state.lock();
        if matches!(state.stage, Stage::CalledOff) {
            return Err(Outcome::CalledOff);
        }
        state.stage = Stage::Starting;
        Ok(())
    }

    /// The job starts, or goes on, unless it was called off. With a waker it can be
    /// called off until it ends.
    pub(crate) fn run(&self, waker: Option<&Waker>) -> Result<(), Outcome> {
        let mut fresh = None;
        loop {
            let mut state = self.0.state.lock();
            match &state.stage {
                Stage::CalledOff => return Err(Outcome::CalledOff),
                Stage::Aborted => return Err(Outcome::Cancelled),
                Stage::Running(Some(known)) if waker.is_some_and(|new| known.will_wake(new)) => {
                    return Ok(());
                }
                _ => {}
            }
            if fresh.is_some() == waker.is_some() {
                let before = std::mem::replace(&mut state.stage, Stage::Running(fresh));
                drop(state);
                drop(before);
                return Ok(());
            }
            // Not under the lock: see `wakers`.
            drop(state);
            fresh = waker.cloned();
        }
    }

    /// The job has ended so.
    pub(crate) fn end(&self, result: std::thread::Result<R>) -> Outcome {
        let state = self.0.state.lock();
        if matches!(state.stage, Stage::Aborted) {
            // So its handle was promised. The result is dropped when nothing is locked.
            tell(state, Err(JobFailure::Cancelled));
            return match result {
                Ok(_) => Outcome::Cancelled,
                Err(payload) => Outcome::Panicked(Some(payload)),
            };
        }
        match result {
            Ok(result) => {
                tell(state, Ok(result));
                Outcome::Ran
            }
            Err(payload) if state.detached => Outcome::Panicked(Some(payload)),
            Err(payload) => {
                tell(state, Err(JobFailure::Panicked(payload)));
                Outcome::Panicked(None)
            }
        }
    }

    /// The job made room for another.
    pub(crate) fn displaced(self) {
        self.not_run(JobFailure::Displaced);
    }

    /// The job will not run.
    pub(crate) fn not_run(self, reason: JobFailure) {
        let state = self.0.state.lock();
        if !matches!(state.stage, Stage::CalledOff) {
            tell(state, Err(reason));
        }
    }
}

impl<R> Drop for Report<R> {
    fn drop(&mut self) {
        let state = self.0.state.lock();
        if !matches!(state.stage, Stage::Ended(_) | Stage::Taken) {
            tell(state, Err(JobFailure::Cancelled));
        }
    }
}

/// The job has ended so: whoever waits for that is told.
fn tell<R>(mut state: MutexGuard<'_, State<R>>, result: Result<R, JobFailure>) {
    let before = std::mem::replace(&mut state.stage, Stage::Ended(result));
    let waiter = state.waiter.take();
    drop(state);
    drop(before);
    wake_all(waiter);
}
