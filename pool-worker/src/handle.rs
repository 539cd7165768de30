//! The handle of a job: its result, and the way to call it off.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::block_on::block_on;
use crate::nesting;
use crate::outcome::Outcome;
use crate::overload::WhyUnserved;
use crate::sync::{Mutex, MutexGuard};
use crate::wakers::wake_all;

/// Why a job has no result.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// It panicked with this.
    #[error("the job panicked")]
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled, or dropped with the runtime of its pool.
    #[error("the job was cancelled")]
    Cancelled,
    /// It made room for a newer job, and was dropped.
    #[error("the job was dropped to make room for a newer one")]
    Displaced,
    /// Its pool accepted it, and then did not run it.
    #[error("the job was {why} after {delay:?}")]
    Unserved {
        /// Why not.
        why: WhyUnserved,
        /// How long it had waited.
        delay: Duration,
    },
    /// A job of the same pool waited for it, which could wait for ever. The
    /// job goes on, as after a drop of its handle.
    #[error("a job may not wait for another of its own pool")]
    Nested,
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked(_) => "Panicked(..)",
            Self::Cancelled => "Cancelled",
            Self::Displaced => "Displaced",
            Self::Unserved { .. } => "Unserved",
            Self::Nested => "Nested",
        })
    }
}

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
    Ended(Result<R, JobError>),
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
pub struct Handle<R> {
    state: Arc<Mutex<State<R>>>,
    /// The pool of the job, by address.
    pool: usize,
}

/// The job's side of a handle. Dropped without an end, it tells that the job
/// was cancelled.
pub(crate) struct Report<R> {
    state: Arc<Mutex<State<R>>>,
}

/// For a job of the pool at this address.
pub(crate) fn handle<R>(pool: usize) -> (Handle<R>, Report<R>) {
    let state = Arc::new(Mutex::new(State {
        stage: Stage::Queued,
        waiter: None,
        detached: false,
    }));
    let report = Report {
        state: Arc::clone(&state),
    };
    (Handle { state, pool }, report)
}

impl<R> Handle<R> {
    /// Blocks until the job has ended. For threads that are not of a runtime.
    ///
    /// # Errors
    /// The panic of the job; that it was cancelled or displaced; or
    /// [`JobError::Nested`] if this is called by a job of the same pool before
    /// that one has ended.
    pub fn wait(mut self) -> Result<R, JobError> {
        loop {
            if let Some(result) = block_on(&mut self, None) {
                return result;
            }
        }
    }

    /// Calls the job off; true if the handle tells [`JobError::Cancelled`] for it.
    ///
    /// A job that has not started never does, which is told at once; it keeps its
    /// place in the queue until its turn, when it is dropped. A job that runs on
    /// tasks is dropped where it waits; if it comes to its end just now, its result
    /// is. On threads a running job goes on, and ended is ended: both are false.
    pub fn cancel(&self) -> bool {
        let mut state = self.state.lock();
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
        let stage = &self.state.lock().stage;
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
            let mut state = self.state.lock();
            match std::mem::replace(&mut state.stage, Stage::Taken) {
                Stage::Ended(result) => return Poll::Ready(result),
                Stage::Taken => panic!("polled after it was ready"),
                Stage::CalledOff => {
                    // As it was, for the job to see when its turn comes.
                    state.stage = Stage::CalledOff;
                    return Poll::Ready(Err(JobError::Cancelled));
                }
                stage => state.stage = stage,
            }
            if nesting::is_within(self.pool) {
                return Poll::Ready(Err(JobError::Nested));
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
        if Arc::strong_count(&self.state) > 1 {
            let mut state = self.state.lock();
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
        let mut state = self.state.lock();
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
            let mut state = self.state.lock();
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
        let state = self.state.lock();
        if matches!(state.stage, Stage::Aborted) {
            // So its handle was promised. The result is dropped when nothing is locked.
            tell(state, Err(JobError::Cancelled));
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
                tell(state, Err(JobError::Panicked(payload)));
                Outcome::Panicked(None)
            }
        }
    }

    /// The job made room for another.
    pub(crate) fn displaced(self) {
        self.not_run(JobError::Displaced);
    }

    /// The job will not run.
    pub(crate) fn not_run(self, error: JobError) {
        let state = self.state.lock();
        if !matches!(state.stage, Stage::CalledOff) {
            tell(state, Err(error));
        }
    }
}

impl<R> Drop for Report<R> {
    fn drop(&mut self) {
        let state = self.state.lock();
        if !matches!(state.stage, Stage::Ended(_) | Stage::Taken) {
            tell(state, Err(JobError::Cancelled));
        }
    }
}

/// The job has ended so: whoever waits for that is told.
fn tell<R>(mut state: MutexGuard<'_, State<R>>, result: Result<R, JobError>) {
    let before = std::mem::replace(&mut state.stage, Stage::Ended(result));
    let waiter = state.waiter.take();
    drop(state);
    drop(before);
    wake_all(waiter);
}
