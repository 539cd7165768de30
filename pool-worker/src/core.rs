//! Who may submit, who waits, who works: the state machine of a pool, free of
//! threads and runtimes. `DESIGN.md` has the protocol in prose and the proofs.
//!
//! All of it stands behind one lock. Whoever has to wait leaves a waker, and
//! is woken outside the lock by who changed what it waits for: workers that
//! park, submitters that find the pool full, and those who wait for the end.

mod worker;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::clock::Stamp;
use crate::error::{Reason, SubmitError};
use crate::queued::Queued;
use crate::stats::Stats;
use crate::sync::{Mutex, lock};
use worker::Holds;
pub use worker::{Next, Worker};

/// A submitter that waits, with its job, for a place.
#[derive(Debug)]
struct Waiting<J> {
    ticket: Ticket,
    job: Queued<J>,
    waker: Waker,
}

/// Known by which a submitter that waits finds its job again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// A job was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a worker may have to be started"]
pub enum Accepted {
    /// A worker will come for it.
    Served,
    /// The caller has to start a worker, which is counted already.
    StartWorker,
}

#[derive(Debug)]
struct State<J> {
    queue: VecDeque<Queued<J>>,
    /// Jobs accepted and not yet ended: queued and running. At most
    /// `capacity + queue_bound`, so with a bound of 0 every accepted job has a
    /// worker that is free for it.
    admitted: usize,
    waiting: VecDeque<Waiting<J>>,
    /// Parked workers; the one that parked last is woken first, its caches
    /// are the warmest.
    idle: Vec<(u64, Waker)>,
    /// Workers that were started (or are about to be) and have not ended.
    workers: usize,
    closed: bool,
    closers: Vec<Waker>,
    next_ticket: u64,
    next_worker: u64,
    submitted: u64,
    rejected: u64,
    dropped: u64,
}

/// The state of a pool whose jobs are `J`.
#[derive(Debug)]
pub struct Core<J> {
    capacity: usize,
    queue_bound: usize,
    state: Mutex<State<J>>,
}

impl<J> State<J> {
    /// Accepts a job for which there is a place. The caller sees to a worker.
    fn enqueue(&mut self, job: Queued<J>) {
        self.queue.push_back(job);
        self.admitted += 1;
        self.submitted += 1;
    }

    /// Where a submitter waits. Tickets grow, so the line is in their order.
    fn find_waiting(&self, ticket: Ticket) -> Option<usize> {
        let key = |waiting: &Waiting<J>| waiting.ticket;
        self.waiting.binary_search_by_key(&ticket, key).ok()
    }

    fn leave_line(&mut self, at: usize) -> Queued<J> {
        self.waiting.remove(at).expect("was found").job
    }

    fn end_worker(&mut self, wake: &mut Vec<Waker>) {
        self.workers -= 1;
        if self.workers == 0 {
            wake.append(&mut self.closers);
        }
    }

    /// A job has ended: its place goes to who has waited the longest.
    fn free_place(&mut self, wake: &mut Vec<Waker>) {
        self.admitted -= 1;
        if self.closed {
            return;
        }
        if let Some(mut waiting) = self.waiting.pop_front() {
            // No worker has to be found: the caller is one and asks for a job
            // next, this one or an older one.
            waiting.job.accepted = Stamp::now();
            self.enqueue(waiting.job);
            wake.push(waiting.waker);
        }
    }
}

impl<J> Core<J> {
    /// A pool of at most `capacity` workers and `queue_bound` waiting jobs.
    #[must_use]
    pub fn new(capacity: usize, queue_bound: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            admitted: 0,
            waiting: VecDeque::new(),
            idle: Vec::new(),
            workers: 0,
            closed: false,
            closers: Vec::new(),
            next_ticket: 0,
            next_worker: 0,
            submitted: 0,
            rejected: 0,
            dropped: 0,
        };
        Self {
            capacity,
            queue_bound,
            state: Mutex::new(state),
        }
    }

    fn refusal(&self, state: &State<J>) -> Option<Reason> {
        if state.closed {
            Some(Reason::Closed)
        } else if state.admitted >= self.capacity.saturating_add(self.queue_bound) {
            Some(Reason::Full)
        } else {
            None
        }
    }

    /// Accepts a job that is not refused, and finds a worker for it: a parked
    /// one to be woken, or one to be started.
    fn accept(&self, state: &mut State<J>, job: Queued<J>) -> (Accepted, Option<Waker>) {
        state.enqueue(job);
        if let Some((_, waker)) = state.idle.pop() {
            return (Accepted::Served, Some(waker));
        }
        if state.workers < self.capacity {
            state.workers += 1;
            return (Accepted::StartWorker, None);
        }
        // Every worker is awake, and asks for a job when it has ended its own.
        (Accepted::Served, None)
    }

    /// Submits a job without waiting.
    ///
    /// # Errors
    /// When there is no place, or the pool is closed.
    pub fn try_submit(&self, job: J) -> Result<Accepted, SubmitError<J>> {
        self.accept_now(Queued::new(job)).map_err(|(reason, job)| {
            lock(&self.state).rejected += 1;
            SubmitError::new(reason, job)
        })
    }

    /// Submits a job if that goes at once. A refusal is not counted: the
    /// caller goes on to wait.
    ///
    /// # Errors
    /// The job, when it does not.
    pub fn try_submit_first(&self, job: J) -> Result<Accepted, J> {
        self.accept_now(Queued::new(job)).map_err(|(_, job)| job)
    }

    fn accept_now(&self, job: Queued<J>) -> Result<Accepted, (Reason, J)> {
        let (accepted, wake) = {
            let mut state = lock(&self.state);
            if let Some(reason) = self.refusal(&state) {
                drop(state);
                return Err((reason, job.job));
            }
            self.accept(&mut state, job)
        };
        wake.into_iter().for_each(Waker::wake);
        Ok(accepted)
    }

    /// Submits a job, and waits for a place: leaves the job there and takes a
    /// ticket when there is none. Ready when it is accepted, or given back.
    ///
    /// The job is taken out of `job` at the first call; whoever does not call
    /// until this is ready must `give_up` the ticket.
    ///
    /// # Panics
    /// When there is neither a job nor a ticket.
    pub fn poll_submit(
        &self,
        job: &mut Option<J>,
        ticket: &mut Option<Ticket>,
        cx: &Context<'_>,
    ) -> Poll<Result<Accepted, SubmitError<J>>> {
        let new = ticket
            .is_none()
            .then(|| Queued::new(job.take().expect("a job, or the ticket for one")));
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        let at = ticket.and_then(|mine| state.find_waiting(mine));
        if new.is_none() && at.is_none() {
            // Whoever freed the place has moved the job to the queue.
            *ticket = None;
            return Poll::Ready(Ok(Accepted::Served));
        }
        let refusal = self.refusal(&state);
        if refusal == Some(Reason::Full) {
            if let Some(job) = new {
                let mine = Ticket(state.next_ticket);
                state.next_ticket += 1;
                *ticket = Some(mine);
                let ticket = mine;
                state.waiting.push_back(Waiting { ticket, job, waker });
            } else if let Some(at) = at {
                let stale = std::mem::replace(&mut state.waiting[at].waker, waker);
                drop(state);
                // What a waker does when it is dropped is not ours to know.
                drop(stale);
            }
            return Poll::Pending;
        }
        *ticket = None;
        let mut job = match (new, at) {
            (Some(job), _) => job,
            (None, at) => state.leave_line(at.expect("a job is new, or waits")),
        };
        if let Some(reason) = refusal {
            state.rejected += 1;
            return Poll::Ready(Err(SubmitError::new(reason, job.job)));
        }
        job.accepted = Stamp::now();
        let (accepted, wake) = self.accept(&mut state, job);
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(accepted))
    }

    /// Takes back a job that waits; `None` when it was accepted meanwhile.
    pub fn give_up(&self, ticket: Ticket) -> Option<J> {
        let mut state = lock(&self.state);
        let at = state.find_waiting(ticket)?;
        state.rejected += 1;
        let waiting = state.waiting.remove(at);
        drop(state);
        waiting.map(|waiting| waiting.job.job)
    }

    /// A worker that begins. It was counted when its start was asked for.
    pub fn begin_work(&self) -> Worker {
        let mut state = lock(&self.state);
        state.next_worker += 1;
        Worker::new(state.next_worker)
    }

    /// Ready with the next job of a worker, or its end; parks it otherwise.
    pub fn poll_next(&self, worker: &mut Worker, cx: &Context<'_>) -> Poll<Next<J>> {
        let mut wake = Vec::new();
        let next = {
            let mut state = lock(&self.state);
            if std::mem::take(&mut worker.parked) {
                // Woken by chance, it is still among the idle.
                state.idle.retain(|(id, _)| *id != worker.id);
            }
            if worker.holds != Holds::Nothing {
                worker.holds = Holds::Nothing;
                state.free_place(&mut wake);
            }
            if let Some(job) = state.queue.pop_front() {
                worker.holds = Holds::Job;
                Poll::Ready(Next::Run(job))
            } else if state.closed {
                worker.holds = Holds::NoCount;
                state.end_worker(&mut wake);
                Poll::Ready(Next::End)
            } else {
                worker.parked = true;
                state.idle.push((worker.id, cx.waker().clone()));
                Poll::Pending
            }
        };
        wake.into_iter().for_each(Waker::wake);
        next
    }

    /// A worker has gone. Nothing is to be done for one that was told to end;
    /// any other went with its runtime, or could not be started.
    pub fn worker_gone(&self, worker: &Worker) {
        if worker.holds == Holds::NoCount {
            return;
        }
        let mut wake = Vec::new();
        let mut orphans = VecDeque::new();
        {
            let mut state = lock(&self.state);
            state.idle.retain(|(id, _)| *id != worker.id);
            state.admitted -= usize::from(worker.holds != Holds::Nothing);
            state.dropped += u64::from(worker.holds == Holds::Job);
            state.end_worker(&mut wake);
            if state.workers == 0 {
                // Nobody will come for these, and they would hold places.
                orphans.append(&mut state.queue);
                state.admitted -= orphans.len();
                state.dropped += orphans.len() as u64;
            } else if !state.queue.is_empty() {
                // It may have been woken for a job: that needs another one.
                wake.extend(state.idle.pop().map(|(_, waker)| waker));
            }
            // Not granted here, where no worker asks for a job next: each
            // takes a place itself and starts a worker.
            wake.extend(state.waiting.iter().map(|waiting| waiting.waker.clone()));
        }
        wake.into_iter().for_each(Waker::wake);
    }

    /// Accepts no more jobs; those who wait to submit get theirs back, and
    /// idle workers end. `false` when it was closed before.
    pub fn close(&self) -> bool {
        let wake = {
            let mut state = lock(&self.state);
            if state.closed {
                return false;
            }
            state.closed = true;
            let mut wake: Vec<_> = state.idle.drain(..).map(|(_, waker)| waker).collect();
            // They stay in line: each takes its own job out.
            wake.extend(state.waiting.iter().map(|waiting| waiting.waker.clone()));
            wake
        };
        wake.into_iter().for_each(Waker::wake);
        true
    }

    /// Ready when the pool is closed and every worker has ended.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.closed && state.workers == 0 {
            return Poll::Ready(());
        }
        let known = |waker: &Waker| waker.will_wake(cx.waker());
        if !state.closers.iter().any(known) {
            state.closers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// What the lock guards of the figures; what the workers count is missing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = lock(&self.state);
        Stats {
            submitted: state.submitted,
            rejected: state.rejected,
            dropped: state.dropped,
            queued: state.queue.len(),
            running: state.admitted - state.queue.len(),
            waiting: state.waiting.len(),
            workers: state.workers,
            idle: state.idle.len(),
            capacity: self.capacity,
            ..Stats::default()
        }
    }
}
