//! Where jobs and workers meet; the same for both engines.
//!
//! Locks are taken on the slow paths alone, never two of them at once, and
//! nothing of the user's runs under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock::Clock;
use crate::delay::{DelaySnapshot, Recorder};
use crate::error::{CloseError, Reason, ReopenError};
use crate::idle::{Seat, Sleeper, Workers};
use crate::line::{Blocked, Line};
use crate::nesting;
use crate::options::Options;
use crate::overload::Resize;
use crate::panic;
use crate::queue::{Accepted, Queue, Refused};
use crate::rejections;
use crate::stats::Stats;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::worker::Worker;

/// Starts a worker of the engine; gives it back if the system refuses.
pub(crate) type Launch<J> = Box<dyn Fn(Worker<J>) -> Result<(), NotLaunched> + Send + Sync>;

/// The system would not give another thread.
pub(crate) struct NotLaunched;

pub(crate) struct Dispatcher<J: Send + 'static> {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue<J>,
    pub(crate) recorder: Recorder,
    pub(crate) panicked: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    rejected: rejections::Counters,
    displaced: AtomicU64,
    paused: AtomicBool,
    /// Whether there are more workers than the capacity allows.
    surplus: AtomicBool,
    workers: Mutex<Workers>,
    line: Mutex<Line<J>>,
    launch: Launch<J>,
}

/// A job that was not accepted.
pub(crate) struct Rejected<J> {
    pub(crate) reason: Reason,
    pub(crate) job: J,
}

/// What came of going to the line.
pub(crate) enum Queued {
    Accepted,
    /// Blocked, under this name.
    Blocked(u64),
}

/// What a worker that found no job should do.
pub(crate) enum Rest {
    /// Sleep until roused.
    Sleep,
    /// Look again: a job is there, or about to be.
    Again,
    /// The pool is closed and empty.
    Leave,
    /// The capacity has no room for it.
    Retire,
}

impl<J: Send + 'static> Dispatcher<J> {
    /// # Panics
    /// When capacity or queue bound are out of range.
    pub(crate) fn new(options: Options, launch: Launch<J>) -> Arc<Self> {
        let most = options.most();
        let limit = options.limit(options.capacity);
        Arc::new(Self {
            clock: if options.record_delay {
                Clock::start()
            } else {
                Clock::StandingStill
            },
            queue: Queue::new(limit, most, options.is_unlimited()),
            recorder: Recorder::new(options.record_delay),
            panicked: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            rejected: rejections::Counters::default(),
            displaced: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            surplus: AtomicBool::new(false),
            workers: Mutex::new(Workers::new(options.capacity)),
            line: Mutex::new(Line::new()),
            launch,
            options,
        })
    }

    /// Accepts the job or gives it back, at once. Counts no rejection.
    #[inline]
    pub(crate) fn offer(self: &Arc<Self>, job: J) -> Result<(), Rejected<J>> {
        let accepted = self.enqueue(job)?;
        if accepted.wake {
            self.rouse_one();
        }
        Ok(())
    }

    /// Accepts the job; while the pool is full, the oldest that wait make room.
    /// Adds these to `displaced`, or gives the job back, if none waits.
    pub(crate) fn displace(
        self: &Arc<Self>,
        mut job: J,
        displaced: &mut Vec<J>,
    ) -> Result<(), Rejected<J>> {
        loop {
            job = match self.offer(job) {
                Ok(()) => return Ok(()),
                Err(full) if full.reason == Reason::Full => full.job,
                Err(rejected) => return Err(self.reject(rejected)),
            };
            // Taken and finished in one step: it never counts as running.
            let mut hand = None;
            let Some(oldest) = self.queue.take(&mut hand, true) else {
                let reason = Reason::Full;
                return Err(self.reject(Rejected { reason, job }));
            };
            self.displaced.fetch_add(1, Relaxed);
            displaced.extend(hand);
            if oldest.unblocks {
                self.admit_line();
            }
        }
    }

    /// Counts a rejection that the submitter will see.
    #[cold]
    pub(crate) fn reject(&self, rejected: Rejected<J>) -> Rejected<J> {
        self.rejected.add(rejected.reason);
        rejected
    }

    /// A submitter that was blocked since then got in.
    pub(crate) fn record_blocked(&self, since: u64) {
        let now = self.clock.now();
        self.recorder.record_blocked(now.saturating_sub(since));
    }

    /// Joins the line of blocked submitters, unless the job is accepted after
    /// all.
    pub(crate) fn join_line(
        self: &Arc<Self>,
        job: J,
        since: u64,
        waker: &Waker,
    ) -> Result<Queued, Rejected<J>> {
        let mut line = self.line.lock();
        // From here on whoever finishes a job comes to the line, and waits for
        // this lock. So it is enough to try once more.
        self.queue.flag_blocked();
        let outcome = match self.enqueue(job) {
            Err(full) if full.reason == Reason::Full => {
                if line.len() < self.options.max_blocked {
                    let waker = waker.clone();
                    let job = full.job;
                    return Ok(Queued::Blocked(line.join(Blocked { job, since, waker })));
                }
                Err(Rejected {
                    reason: self.options.reason_not_to_block(),
                    job: full.job,
                })
            }
            outcome => outcome,
        };
        if line.is_empty() {
            self.queue.unflag_blocked();
        }
        drop(line);
        if outcome?.wake {
            self.rouse_one();
        }
        Ok(Queued::Accepted)
    }

    /// Looks whether a blocked submitter was accepted; else it stays in line.
    pub(crate) fn poll_line(&self, place: u64, waker: &Waker) -> Poll<Result<(), Rejected<J>>> {
        let mut line = self.line.lock();
        let Some(blocked) = line.get_mut(place) else {
            return Poll::Ready(Ok(()));
        };
        if !self.queue.is_closed() {
            blocked.waker.clone_from(waker);
            return Poll::Pending;
        }
        drop(line);
        Poll::Ready(match self.leave_line(place, Reason::Closed) {
            None => Ok(()),
            Some(rejected) => Err(rejected),
        })
    }

    /// Takes a blocked submitter out of the line; `None` if it was accepted.
    pub(crate) fn leave_line(&self, place: u64, reason: Reason) -> Option<Rejected<J>> {
        let mut line = self.line.lock();
        let blocked = line.leave(place)?;
        if line.is_empty() {
            self.queue.unflag_blocked();
        }
        drop(line);
        self.record_blocked(blocked.since);
        Some(Rejected {
            reason,
            job: blocked.job,
        })
    }

    /// Accepts from the line for as long as there is room.
    #[cold]
    #[inline(never)]
    pub(crate) fn admit_line(self: &Arc<Self>) {
        let mut wakers = Vec::new();
        let mut wake = false;
        let mut line = self.line.lock();
        let now = self.clock.now();
        while !line.is_empty() {
            let Ok((place, accepted)) = self.queue.accept() else {
                break;
            };
            let blocked = line.pop().expect("the line is not empty");
            self.queue.fill(place, blocked.job, now);
            wake |= accepted.wake;
            self.recorder
                .record_blocked(now.saturating_sub(blocked.since));
            wakers.push(blocked.waker);
        }
        if line.is_empty() {
            self.queue.unflag_blocked();
        }
        drop(line);
        if wake {
            self.rouse_one();
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    #[inline]
    fn enqueue(&self, job: J) -> Result<Accepted, Rejected<J>> {
        let now = self.clock.now();
        match self.queue.accept() {
            Ok((place, accepted)) => {
                self.queue.fill(place, job, now);
                Ok(accepted)
            }
            Err(refused) => Err(Rejected {
                reason: Reason::from(refused),
                job,
            }),
        }
    }

    /// Wakes the worker that slept last, or makes one if all are awake and
    /// there may be more. Called by whoever took the request to do so.
    #[cold]
    #[inline(never)]
    pub(crate) fn rouse_one(self: &Arc<Self>) {
        let mut workers = self.workers.lock();
        if let Some(sleeper) = workers.asleep.pop() {
            drop(workers);
            sleeper.rouse();
            return;
        }
        if workers.count >= workers.capacity {
            // All are awake: each looks at the queue before it sleeps.
            return;
        }
        let seat = self.seat(&mut workers);
        drop(workers);
        // A worker that could not be started leaves as it is dropped, which
        // asks the next submitter to try again.
        let _ = (self.launch)(Worker::new(Arc::clone(self), seat));
    }

    /// Makes the workers that are to be there before the first job.
    pub(crate) fn prestart(self: &Arc<Self>, at_least: usize) -> Result<(), NotLaunched> {
        let wanted = self.options.prestart.max(at_least);
        loop {
            let mut workers = self.workers.lock();
            if workers.count >= wanted.min(workers.capacity) {
                return Ok(());
            }
            let seat = self.seat(&mut workers);
            drop(workers);
            (self.launch)(Worker::new(Arc::clone(self), seat))?;
        }
    }

    fn seat(&self, workers: &mut Workers) -> Arc<Seat> {
        workers.count += 1;
        workers.vacant.pop().unwrap_or_else(|| {
            workers.seats += 1;
            Seat::new(self.recorder.shard(workers.seats - 1))
        })
    }

    /// A roused worker found a job: if there is more to do and someone to do
    /// it, it passes the call on, so a burst wakes workers one after another
    /// and no more of them than have work. True if it roused one.
    #[cold]
    #[inline(never)]
    pub(crate) fn relay(self: &Arc<Self>) -> bool {
        let workers = self.workers.lock();
        let more = !workers.asleep.is_empty() || workers.count < workers.capacity;
        let rouse = more && self.queue.arm().queued > 0 && self.queue.disarm();
        drop(workers);
        if rouse {
            self.rouse_one();
        }
        rouse
    }

    /// A worker found no job.
    pub(crate) fn rest(&self, seat: &Arc<Seat>, waker: &Waker) -> Rest {
        let mut workers = self.workers.lock();
        if workers.has_surplus() {
            workers.retiring += 1;
            self.surplus.store(workers.has_surplus(), Ordering::Relaxed);
            return Rest::Retire;
        }
        if !self.is_paused() {
            if self.queue.counts().queued > 0 {
                return Rest::Again;
            }
            // Announce, then look again: a job accepted before this step is
            // in these counts, and whoever accepts one after it will rouse a
            // worker, for which it needs the lock that is held here.
            let counts = self.queue.arm();
            if counts.queued > 0 {
                return Rest::Again;
            }
            if counts.closed {
                return Rest::Leave;
            }
        }
        // In a pause not armed: no job needs this worker before it is over.
        workers.asleep.push(Sleeper {
            seat: Arc::clone(seat),
            waker: waker.clone(),
        });
        let idlers = workers.idlers_if(self.queue.counts().unfinished == 0);
        drop(workers);
        idlers.into_iter().for_each(Waker::wake);
        Rest::Sleep
    }

    /// A worker slept for as long as workers may. True if it is to leave; false
    /// if it was roused meanwhile, or has to stay.
    #[cold]
    #[inline(never)]
    pub(crate) fn expire(&self, seat: &Arc<Seat>) -> bool {
        let mut workers = self.workers.lock();
        let least = usize::from(self.options.on_threads);
        if workers.count - workers.retiring <= least || self.is_paused() {
            return false;
        }
        // Whoever rouses takes it from the stack first, under this lock.
        let Some(place) = workers
            .asleep
            .iter()
            .position(|s| Arc::ptr_eq(&s.seat, seat))
        else {
            return false;
        };
        workers.asleep.remove(place);
        workers.retiring += 1;
        true
    }

    /// Whether a worker should look, under the lock, if it must retire.
    #[inline]
    pub(crate) fn has_surplus(&self) -> bool {
        self.surplus.load(Ordering::Relaxed)
    }

    /// Lets so many jobs run at once from now on.
    pub(crate) fn set_capacity(self: &Arc<Self>, capacity: usize) {
        let most = self.options.max_capacity();
        assert!(
            (1..=most).contains(&capacity),
            "the capacity of pool {:?} is between 1 and {most}",
            self.options.name
        );
        let mut workers = self.workers.lock();
        workers.capacity = capacity;
        self.queue.set_limit(self.options.limit(capacity));
        self.surplus.store(workers.has_surplus(), Ordering::Relaxed);
        let surplus = (workers.count - workers.retiring).saturating_sub(capacity);
        let asleep = surplus.min(workers.asleep.len());
        // The bottom of the stack: those that slept longest.
        let roused: Vec<_> = workers.asleep.drain(..asleep).collect();
        drop(workers);
        roused.into_iter().for_each(Sleeper::rouse);
        // Where there is more room now, nobody else comes to tell.
        self.admit_line();
        self.relay();
    }

    /// Sets the capacity, for as long as the pool is there.
    pub(crate) fn resizer(self: &Arc<Self>) -> Resize {
        let dispatcher = Arc::downgrade(self);
        Box::new(move |capacity| {
            if let Some(dispatcher) = dispatcher.upgrade() {
                dispatcher.set_capacity(capacity);
            }
        })
    }

    /// A worker is gone. `retired` if the capacity had no room for it, or it
    /// had no job for too long: then it passes on the call that it may have
    /// had, or that found no other to make. `abandoned` if its runtime took it away: then nothing
    /// that is accepted will run, so the pool closes, and the last worker
    /// gives up what is queued.
    pub(crate) fn left(self: &Arc<Self>, seat: Arc<Seat>, abandoned: bool, retired: bool) {
        if abandoned {
            let _ = self.close();
        }
        let mut workers = self.workers.lock();
        workers.count -= 1;
        workers.retiring -= usize::from(retired);
        workers.vacant.push(seat);
        workers.abandoned |= abandoned;
        let counts = self.queue.arm();
        if workers.count > 0 {
            let idlers = workers.idlers_if(counts.unfinished == 0);
            drop(workers);
            idlers.into_iter().for_each(Waker::wake);
        } else {
            self.last_left(workers);
        }
        if retired {
            self.relay();
        }
    }

    /// As [`left`](Self::left), for the last worker.
    fn last_left(&self, workers: MutexGuard<'_, Workers>) {
        let give_up = workers.abandoned;
        drop(workers);
        if give_up {
            let mut hand = None;
            while self.queue.take(&mut hand, false).is_some() {
                panic::contain(|| drop(hand.take()));
                self.cancelled.fetch_add(1, Relaxed);
                self.queue.finish();
            }
        }
        let mut workers = self.workers.lock();
        let mut waiting = std::mem::take(&mut workers.closers);
        waiting.append(&mut workers.idlers);
        drop(workers);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Accepts nothing from now on, and tells everyone who sleeps or waits.
    pub(crate) fn close(&self) -> Result<(), CloseError> {
        if !self.queue.close() {
            return Err(CloseError::Closed);
        }
        let sleepers = std::mem::take(&mut self.workers.lock().asleep);
        for sleeper in sleepers {
            sleeper.rouse();
        }
        let wakers = self.line.lock().wakers();
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Whether every accepted job has ended and every worker has left.
    pub(crate) fn poll_drained(&self, waker: &Waker) -> Poll<()> {
        let mut workers = self.workers.lock();
        // A job accepted before the close may have no worker yet: its
        // submitter is about to make one.
        if workers.count == 0 && self.queue.counts().unfinished == 0 {
            return Poll::Ready(());
        }
        remember(&mut workers.closers, waker);
        Poll::Pending
    }

    /// Whether every accepted job has ended.
    pub(crate) fn poll_idle(&self, waker: &Waker) -> Poll<()> {
        let mut workers = self.workers.lock();
        // The worker that ends the last job rests after that, for which it
        // needs this lock: it comes before these counts or finds the waker.
        if self.queue.counts().unfinished == 0 {
            return Poll::Ready(());
        }
        remember(&mut workers.idlers, waker);
        Poll::Pending
    }

    /// Workers start no job from now on; those that run go on.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    /// Undoes [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        let mut workers = self.workers.lock();
        // Under the lock: a worker that went to sleep for the pause is on the
        // stack, and one that comes later sees that it is over.
        self.paused.store(false, Ordering::Release);
        let sleepers = std::mem::take(&mut workers.asleep);
        drop(workers);
        sleepers.into_iter().for_each(Sleeper::rouse);
    }

    /// Whether no job may start. A closed pool runs what it accepted.
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) && !self.queue.is_closed()
    }

    /// Accepts again, once a close has drained.
    pub(crate) fn reopen(self: &Arc<Self>) -> Result<(), ReopenError> {
        let workers = self.workers.lock();
        if !self.queue.is_closed() {
            return Err(ReopenError::Open);
        }
        let counts = self.queue.counts();
        if workers.count > 0 || counts.unfinished > 0 {
            return Err(ReopenError::Draining);
        }
        if workers.abandoned {
            return Err(ReopenError::NoRuntime);
        }
        self.queue.arm();
        self.queue.open();
        drop(workers);
        // Refused, it leaves as it is dropped; the first job tries again.
        let _ = self.prestart(usize::from(self.options.on_threads));
        Ok(())
    }

    /// How long the oldest job that waits has waited.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let accepted_at = self.queue.oldest()?;
        let ticks = self.clock.now().saturating_sub(accepted_at);
        Some(self.clock.time(ticks))
    }

    pub(crate) fn late(&self) -> CloseError {
        let unfinished = self.queue.counts().unfinished as usize;
        CloseError::Late { unfinished }
    }

    /// Whether this is called from one of its own jobs.
    pub(crate) fn is_within(self: &Arc<Self>) -> bool {
        nesting::is_within(self.address())
    }

    /// For who is about to wait for the end of all jobs.
    pub(crate) fn assert_not_within(self: &Arc<Self>) {
        assert!(
            !self.is_within(),
            "a job of pool {:?} waits for its own end",
            self.options.name
        );
    }

    /// Tells pools apart.
    pub(crate) fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    pub(crate) fn queued(&self) -> DelaySnapshot {
        self.recorder.queued().snapshot(self.clock.tick())
    }

    pub(crate) fn ran(&self) -> DelaySnapshot {
        self.recorder.ran().snapshot(self.clock.tick())
    }

    pub(crate) fn blocked(&self) -> DelaySnapshot {
        self.recorder.blocked().snapshot(self.clock.tick())
    }

    pub(crate) fn stats(&self) -> Stats {
        let (workers, asleep, capacity) = {
            let workers = self.workers.lock();
            (workers.count, workers.asleep.len(), workers.capacity)
        };
        let waiting = self.line.lock().len();
        let panicked = self.panicked.load(Relaxed);
        let cancelled = self.cancelled.load(Relaxed);
        let displaced = self.displaced.load(Relaxed);
        let rejected_by = self.rejected.get();
        let counts = self.queue.counts();
        let running = (counts.unfinished - counts.queued.min(counts.unfinished)) as usize;
        let finished = counts.accepted - counts.unfinished;
        Stats {
            submitted: counts.accepted,
            ran: finished.saturating_sub(panicked + cancelled + displaced),
            panicked,
            cancelled,
            displaced,
            rejected: rejected_by.total(),
            rejected_by,
            queued: counts.queued as usize,
            running,
            idle: workers.saturating_sub(running).max(asleep),
            waiting,
            workers,
            capacity,
        }
    }
}

fn remember(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::Closed => Self::Closed,
        }
    }
}
