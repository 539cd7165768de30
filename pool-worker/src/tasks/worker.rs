//! The worker tasks of a pool, and what their pools do with them.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use crate::core::{Accepted, Core, Next, Ticket};
use crate::engine::Engine;
use crate::error::{CloseError, Reason, SubmitError};
use crate::options::Options;
use crate::seat::Seat;
use crate::span::Span;

/// Jobs that a worker runs without giving others of its runtime a turn.
const JOBS_A_TURN: u32 = 64;

/// Starts a worker task; knows the function, whose future has no name.
type Start<J> = dyn Fn(Arc<Engine<J>>) + Send + Sync;

/// What a pool of tasks is, whatever its jobs are.
pub(super) struct Tasks<J> {
    pub(super) engine: Arc<Engine<J>>,
    start: Box<Start<J>>,
}

impl<J: Send + 'static> Tasks<J> {
    pub(super) fn new<F, R>(options: Options, run: F) -> Self
    where
        F: Fn(J) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let run = Arc::new(run);
        let start = move |engine| {
            drop(tokio::spawn(work(Seat::new(engine), Arc::clone(&run))));
        };
        Self {
            engine: Arc::new(Engine::new(options)),
            start: Box::new(start),
        }
    }

    pub(super) fn try_submit(&self, job: J) -> Result<(), SubmitError<J>> {
        self.serve(self.engine.core.try_submit(job)?);
        Ok(())
    }

    pub(super) async fn submit(&self, job: J) -> Result<(), SubmitError<J>> {
        let mut submission = Submission::new(&self.engine.core, job);
        let accepted = poll_fn(|cx| submission.poll(cx)).await?;
        self.serve(accepted);
        Ok(())
    }

    pub(super) async fn submit_timeout(
        &self,
        job: J,
        limit: Duration,
    ) -> Result<(), SubmitError<J>> {
        let mut submission = Submission::new(&self.engine.core, job);
        match timeout(limit, poll_fn(|cx| submission.poll(cx))).await {
            Ok(accepted) => self.serve(accepted?),
            Err(_) => {
                if let Some(job) = submission.give_up() {
                    return Err(SubmitError::new(Reason::Timeout(limit), job));
                }
                // Accepted in the last moment.
            }
        }
        Ok(())
    }

    fn serve(&self, accepted: Accepted) {
        if accepted == Accepted::StartWorker {
            (self.start)(Arc::clone(&self.engine));
        }
    }

    pub(super) async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        let core = &self.engine.core;
        if !core.close() {
            return Err(CloseError::AlreadyClosed);
        }
        let ended = timeout(limit, poll_fn(|cx| core.poll_closed(cx))).await;
        self.engine.how_closed(ended.is_ok())
    }
}

impl<J> Drop for Tasks<J> {
    fn drop(&mut self) {
        // What was accepted is run all the same; nobody waits for it.
        self.engine.core.close();
    }
}

/// A submission under way. Dropped before its end, it takes its job along.
struct Submission<'a, J> {
    core: &'a Core<J>,
    job: Option<J>,
    ticket: Option<Ticket>,
}

impl<'a, J> Submission<'a, J> {
    fn new(core: &'a Core<J>, job: J) -> Self {
        Self {
            core,
            job: Some(job),
            ticket: None,
        }
    }

    fn poll(&mut self, cx: &std::task::Context<'_>) -> Poll<Result<Accepted, SubmitError<J>>> {
        self.core.poll_submit(&mut self.job, &mut self.ticket, cx)
    }

    fn give_up(&mut self) -> Option<J> {
        let ticket = self.ticket.take();
        self.job.take().or_else(|| self.core.give_up(ticket?))
    }
}

impl<J> Drop for Submission<'_, J> {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}

async fn work<J, F, R>(mut seat: Seat<J>, run: Arc<F>)
where
    J: Send + 'static,
    F: Fn(J) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let record = seat.engine.record();
    let mut turn = 0;
    loop {
        let Next::Run(queued) = poll_fn(|cx| seat.poll_next(cx)).await else {
            return;
        };
        let started = record.start(&queued);
        if let Err(payload) = guarded(&*run, queued.job, &queued.span).await {
            seat.engine.panicked(&*payload);
            // A payload whose drop panics must not cost the worker.
            drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        }
        record.end(started);
        seat.job_ended();
        turn += 1;
        if turn == JOBS_A_TURN {
            turn = 0;
            // Jobs that are ready at once would keep others from running.
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a job in its span, and catches its panic: of the function's call, of
/// each poll, and of the drop of its future.
async fn guarded<J, F, R>(run: &F, job: J, span: &Span) -> Result<(), Box<dyn Any + Send>>
where
    F: Fn(J) -> R,
    R: Future<Output = ()>,
{
    let future = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| run(job))))?;
    let mut future = pin!(Some(future));
    let ended = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let job: Option<Pin<&mut R>> = future.as_mut().as_pin_mut();
            job.map_or(Poll::Ready(()), |job| span.in_scope(|| job.poll(cx)))
        }));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    catch_unwind(AssertUnwindSafe(|| future.set(None)))?;
    ended
}
