//! A worker, as both engines have it: it takes jobs, accounts for them, and
//! rests. How it runs a job and how it sleeps is the engine's.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Duration;

use crate::dispatcher::{Dispatcher, Rest};
use crate::idle::Seat;
use crate::nesting;
use crate::outcome::{Caught, Outcome};
use crate::panic::{self, JobPanic};
use crate::permits::Permit;

pub(crate) struct Worker<J: Send + 'static> {
    dispatcher: Arc<Dispatcher<J>>,
    seat: Arc<Seat>,
    /// Holds the account of a job: running, or ended and not yet reported.
    account: Account,
    /// Was woken or made for a job and found none yet. It answers for jobs
    /// that came meanwhile, because their submitters woke no one.
    roused: bool,
    /// The end of the last job, which is the start of the next when that
    /// follows at once: one look at the clock a job. 0 if there is none.
    now: u64,
    accepted_at: u64,
    started: u64,
    /// It runs, so it was told to begin and is to be told to end.
    begun: bool,
    /// The hook for its beginning has yet to return.
    starting: bool,
    leaving: bool,
    retiring: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Empty,
    Running,
    Ended,
}

impl<J: Send + 'static> Worker<J> {
    pub(crate) fn new(dispatcher: Arc<Dispatcher<J>>, seat: Arc<Seat>) -> Self {
        let starting = dispatcher.options.hooks.start.is_some();
        Self {
            starting,
            dispatcher,
            seat,
            account: Account::Empty,
            roused: true,
            now: 0,
            accepted_at: 0,
            started: 0,
            begun: false,
            leaving: false,
            retiring: false,
        }
    }

    /// It is on its own thread or task now. To be followed by
    /// [`begin_work`](Self::begin_work). True if another worker was roused, as what this
    /// one does first may take long.
    pub(crate) fn arrive(&mut self) -> bool {
        self.starting && self.dispatcher.relay_before_hook()
    }

    pub(crate) fn begin_work(&mut self) {
        let options = &self.dispatcher.options;
        options.hooks.started(&options.name);
        self.begun = true;
        if mem::take(&mut self.starting) {
            self.dispatcher.hook_seen_to();
        }
    }

    /// Tells which pool this is a worker of.
    pub(crate) fn pool(&self) -> usize {
        self.dispatcher.identity.number()
    }

    /// Takes the next job in `hand`, if one is ready. Reports the job before
    /// it. To be followed by [`begin`](Self::begin).
    #[inline]
    pub(crate) fn next(&mut self, hand: &mut Option<J>) -> bool {
        let ended = self.account == Account::Ended;
        let queue = &self.dispatcher.queue;
        let taken = match queue.take(hand, ended) {
            None if ended => {
                self.account = Account::Empty;
                if queue.finish() {
                    self.dispatcher.admit_line();
                    queue.take(hand, false)
                } else {
                    None
                }
            }
            taken => taken,
        };
        let Some(taken) = taken else { return false };
        self.account = Account::Running;
        self.accepted_at = taken.accepted_at;
        if taken.unblocks {
            self.dispatcher.admit_line();
        }
        true
    }

    /// Passes the call on if it was roused for the job of the last
    /// [`next`](Self::next). True if that roused another worker.
    #[inline]
    pub(crate) fn relay(&mut self) -> bool {
        mem::take(&mut self.roused) && self.dispatcher.relay()
    }

    /// The job of the last [`next`](Self::next) starts now.
    #[inline]
    pub(crate) fn begin(&mut self) {
        let Some(shard) = &self.seat.shard else {
            return;
        };
        self.started = match self.now {
            0 => self.dispatcher.clock.now(),
            now => now,
        };
        // A job may have come after the last one ended: it did not wait.
        let queued = self.started.saturating_sub(self.accepted_at);
        shard.record_queued(queued);
    }

    /// The job of the last [`next`](Self::next) has ended.
    #[inline]
    pub(crate) fn ended(&mut self, outcome: Caught) {
        debug_assert!(self.account == Account::Running);
        if matches!(outcome, Ok(Outcome::Ran)) {
            // Spares a call: there is nothing to drop, which the compiler does not see.
            mem::forget(outcome);
            self.record_ran();
            self.account = Account::Ended;
        } else {
            self.ended_otherwise(outcome);
        }
    }

    #[inline]
    fn record_ran(&mut self) {
        if let Some(shard) = &self.seat.shard {
            let now = self.dispatcher.clock.now();
            self.now = now;
            shard.record_ran(now.saturating_sub(self.started));
        }
    }

    #[cold]
    #[inline(never)]
    fn ended_otherwise(&mut self, outcome: Caught) {
        self.account = Account::Ended;
        let (payload, job) = match outcome {
            Ok(Outcome::Ran) => return self.record_ran(),
            Ok(Outcome::Limited(permit)) => {
                self.record_ran();
                return self.give_back(permit);
            }
            Ok(Outcome::LimitedOtherwise(limited)) => {
                let (permit, outcome) = *limited;
                self.ended_otherwise(Ok(outcome));
                return self.give_back(permit);
            }
            Ok(Outcome::Cancelled) => {
                self.record_ran();
                self.dispatcher.cancelled.fetch_add(1, Relaxed);
                return;
            }
            Ok(Outcome::CalledOff) => {
                // It waited, but did not run.
                self.now = 0;
                self.dispatcher.cancelled.fetch_add(1, Relaxed);
                return;
            }
            Ok(Outcome::Panicked(payload)) => (payload, None),
            Ok(Outcome::NamedPanicked(name, payload)) => (Some(payload), Some(name)),
            Err(payload) => (Some(payload), None),
        };
        self.record_ran();
        self.dispatcher.panicked.fetch_add(1, Relaxed);
        if let Some(payload) = payload {
            let options = &self.dispatcher.options;
            let pool = &options.name;
            panic::report(
                options.panic_handler.as_ref(),
                JobPanic { pool, job, payload },
            );
            self.now = 0;
        }
    }

    /// The job that has ended had a place of a sub-pool: it is reported now, and not with
    /// the next one that is taken, so that who finds the place free finds the job counted.
    fn give_back(&mut self, permit: Permit) {
        self.now = 0;
        self.account = Account::Empty;
        self.dispatcher.finish_with_place(permit);
    }

    /// The worker did something else, so the end of its last job is no longer
    /// the start of its next.
    pub(crate) fn paused(&mut self) {
        self.now = 0;
    }

    /// When the job of the last [`next`](Self::next) started; none in a pool
    /// that does not look at the clock.
    #[cfg(feature = "tokio")]
    pub(crate) fn started(&self) -> Option<u64> {
        self.seat.shard.as_ref().map(|_| self.started)
    }

    /// What to do after [`next`](Self::next) found nothing.
    #[cold]
    pub(crate) fn rest(&mut self, waker: &Waker) -> Rest {
        self.now = 0;
        let rest = self.dispatcher.rest(&self.seat, waker);
        match rest {
            Rest::Sleep => self.roused = false,
            Rest::Again => {}
            Rest::Leave => self.leaving = true,
            Rest::Retire => self.retire(),
        }
        rest
    }

    /// How long it may sleep.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.dispatcher.options.idle_timeout
    }

    /// It slept for so long. True if it is to leave.
    pub(crate) fn expire(&mut self) -> bool {
        if self.dispatcher.expire(&self.seat) {
            self.retire();
        }
        self.retiring
    }

    /// It is no worker any more, though it has yet to leave, which may take long: it passes
    /// on the call that it may have had, or that found no other to make.
    fn retire(&mut self) {
        self.retiring = true;
        self.dispatcher.relay();
    }

    /// Whether a sleeping worker may go on.
    pub(crate) fn is_roused(&mut self) -> bool {
        self.roused = self.seat.take_rouse();
        self.roused
    }
}

impl<J: Send + 'static> Drop for Worker<J> {
    fn drop(&mut self) {
        if self.starting {
            self.dispatcher.hook_seen_to();
        }
        if self.begun {
            let options = &self.dispatcher.options;
            // A task is dropped outside of its last poll, but its hook is still the pool's.
            let before = nesting::enter(self.pool());
            options.hooks.stopped(&options.name);
            nesting::enter(before);
        }
        // An engine that is dropped in the middle, as tokio does with its
        // tasks at shutdown, must not leave the account open.
        if self.account == Account::Running {
            self.dispatcher.cancelled.fetch_add(1, Relaxed);
        }
        if self.account != Account::Empty && self.dispatcher.queue.finish() {
            self.dispatcher.admit_line();
        }
        // A thread that leaves without being told to was never started.
        let told = self.leaving || self.retiring || self.dispatcher.options.on_threads;
        let seat = Arc::clone(&self.seat);
        self.dispatcher.left(seat, !told, self.retiring);
    }
}
