//! The threads of a pool, and what their pools do with them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::park::{park_until, waker};
use crate::core::{Accepted, Next};
use crate::engine::Engine;
use crate::error::{CloseError, Reason, SubmitError};
use crate::options::Options;
use crate::seat::Seat;

/// What a pool of threads is, whatever its jobs are.
pub(super) struct Threads<J> {
    pub(super) engine: Arc<Engine<J>>,
    stack_size: Option<usize>,
    run: Arc<dyn Fn(J) + Send + Sync>,
}

impl<J: Send + 'static> Threads<J> {
    pub(super) fn new(
        options: Options,
        stack_size: Option<usize>,
        run: impl Fn(J) + Send + Sync + 'static,
    ) -> Self {
        Self {
            engine: Arc::new(Engine::new(options)),
            stack_size,
            run: Arc::new(run),
        }
    }

    pub(super) fn try_submit(&self, job: J) -> Result<(), SubmitError<J>> {
        self.serve(self.engine.core.try_submit(job)?);
        Ok(())
    }

    pub(super) fn submit(&self, job: J, limit: Option<Duration>) -> Result<(), SubmitError<J>> {
        // The usual case needs no waker.
        let job = match self.engine.core.try_submit_first(job) {
            Ok(accepted) => {
                self.serve(accepted);
                return Ok(());
            }
            Err(job) => job,
        };
        let (mut job, mut ticket) = (Some(job), None);
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let core = &self.engine.core;
        let submitted = park_until(deadline, &waker(), |cx| {
            core.poll_submit(&mut job, &mut ticket, cx)
        });
        match submitted {
            Some(submitted) => self.serve(submitted?),
            None => {
                if let Some(job) = ticket.and_then(|ticket| core.give_up(ticket)) {
                    let reason = Reason::Timeout(limit.unwrap_or_default());
                    return Err(SubmitError::new(reason, job));
                }
                // Accepted in the last moment.
            }
        }
        Ok(())
    }

    fn serve(&self, accepted: Accepted) {
        if accepted == Accepted::StartWorker {
            self.start_worker();
        }
    }

    #[cold]
    #[inline(never)]
    fn start_worker(&self) {
        let engine = &self.engine;
        let (seat, run) = (Seat::new(Arc::clone(engine)), Arc::clone(&self.run));
        let mut builder = thread::Builder::new().name(engine.options.name.clone());
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        // A refusal drops the seat. Workers that are there come for the job in
        // their turn; when there are none, it was dropped with the seat.
        if let Err(error) = builder.spawn(move || work(seat, &*run)) {
            let alone = engine.core.stats().workers == 0;
            let name = &engine.options.name;
            assert!(!alone, "{name}: cannot start a worker thread: {error}");
        }
    }

    pub(super) fn close(&self, limit: Duration) -> Result<(), CloseError> {
        let core = &self.engine.core;
        if !core.close() {
            return Err(CloseError::AlreadyClosed);
        }
        let deadline = Instant::now().checked_add(limit);
        let ended = park_until(deadline, &waker(), |cx| core.poll_closed(cx));
        self.engine.how_closed(ended.is_some())
    }
}

impl<J> Drop for Threads<J> {
    fn drop(&mut self) {
        // What was accepted is run all the same; nobody waits for it.
        self.engine.core.close();
    }
}

fn work<J>(mut seat: Seat<J>, run: &(dyn Fn(J) + Send + Sync)) {
    let record = seat.engine.record();
    let waker = waker();
    loop {
        let next = park_until(None, &waker, |cx| seat.poll_next(cx));
        // Without a deadline there is always one.
        let Some(Next::Run(queued)) = next else {
            return;
        };
        let started = record.start(&queued);
        let (job, span) = (queued.job, queued.span);
        let result = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| run(job))));
        if let Err(payload) = &result {
            seat.engine.panicked(&**payload);
        }
        record.end(started);
        seat.job_ended();
        // A payload whose drop panics must not cost the worker.
        drop(catch_unwind(AssertUnwindSafe(|| drop(result))));
    }
}
