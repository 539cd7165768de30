//! How workers sleep and are woken, and when one is made.
//!
//! A worker that finds nothing goes onto the stack of sleepers, arms the ledger and looks
//! once more, all under the lock; the next job that is accepted takes the arm off, in the
//! step that accepts it, and its submitter then wakes one, for which it needs the lock.
//! Who was woken passes the call on before it starts its job. The proof that no wake-up
//! and no job is lost is in DESIGN.md, "Sleep and wake".

use std::sync::Arc;
use std::task::Waker;

use super::{Dispatcher, NotLaunched};
use crate::idle::{Seat, Sleeper, Workers};
use crate::wakers::wake_all;
use crate::worker::Worker;

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
        if !workers.may_grow() || self.has_drained() {
            // All are awake: each looks at the queue before it sleeps. Or the pool was closed
            // since, and another took the job: to who closed it, no worker is left.
            return;
        }
        if self.has_enough_on_the_way(&workers) {
            return;
        }
        let seat = self.seat(&mut workers);
        drop(workers);
        // A worker that could not be started leaves as it is dropped, which
        // asks the next submitter to try again.
        let _ = (self.launch)(Worker::new(Arc::clone(self), seat));
    }

    /// A roused worker found a job: if there is more to do and someone to do
    /// it, it passes the call on, so a burst wakes workers one after another
    /// and no more of them than have work. True if it roused one.
    #[cold]
    #[inline(never)]
    pub(crate) fn relay(self: &Arc<Self>) -> bool {
        let workers = self.workers.lock();
        let more = !workers.asleep.is_empty() || workers.may_grow();
        let rouse = more && self.queue.arm().queued > 0 && self.queue.disarm();
        drop(workers);
        if rouse {
            self.rouse_one();
        }
        rouse
    }

    /// As [`relay`](Self::relay), for a worker that has to see to its hook first, which may
    /// take long: each of those that are at that will take a job, and for more than these
    /// a further worker is called now.
    #[cold]
    pub(crate) fn relay_before_hook(self: &Arc<Self>) -> bool {
        let workers = self.workers.lock();
        let more = !workers.asleep.is_empty() || workers.may_grow();
        let rouse = more && !self.has_enough_on_the_way(&workers);
        drop(workers);
        if rouse {
            self.rouse_one();
        }
        rouse
    }

    /// Whether no job waits, and none will before the pool is opened again. To be asked
    /// under the lock, where a worker is about to be made.
    fn has_drained(&self) -> bool {
        let counts = self.queue.counts();
        counts.closed && counts.queued == 0
    }

    /// Whether there is a worker at its hook for each job that waits. Then the next job
    /// asks again.
    fn has_enough_on_the_way(&self, workers: &Workers) -> bool {
        if workers.starting == 0 {
            return false;
        }
        let enough = self.queue.arm().queued <= workers.starting as u64;
        if !enough {
            self.queue.disarm();
        }
        enough
    }

    /// A worker has seen to its hook, or never came to it.
    #[cold]
    pub(crate) fn hook_seen_to(&self) {
        let mut workers = self.workers.lock();
        workers.starting -= 1;
        // The capacity may have been lowered meanwhile: it is one more that takes jobs.
        self.hold(&mut workers);
    }

    /// Makes the workers that are to be there before the first job, or so many as the
    /// system gives: the others are made as jobs come. An error if they are fewer than
    /// `at_least`.
    pub(crate) fn prestart(self: &Arc<Self>, at_least: usize) -> Result<(), NotLaunched> {
        let wanted = self.options.prestart.max(at_least);
        loop {
            let mut workers = self.workers.lock();
            if workers.count >= wanted.min(workers.capacity) || self.has_drained() {
                return Ok(());
            }
            let seat = self.seat(&mut workers);
            drop(workers);
            if let Err(refused) = (self.launch)(Worker::new(Arc::clone(self), seat)) {
                let made = self.workers.lock().count;
                return if made < at_least {
                    Err(refused)
                } else {
                    Ok(())
                };
            }
        }
    }

    pub(super) fn seat(&self, workers: &mut Workers) -> Arc<Seat> {
        workers.count += 1;
        workers.starting += usize::from(self.options.hooks.start.is_some());
        workers.vacant.pop().unwrap_or_else(|| {
            workers.seats += 1;
            Seat::new(self.recorder.shard(workers.seats - 1))
        })
    }

    /// A worker found no job.
    pub(crate) fn rest(&self, seat: &Arc<Seat>, waker: &Waker) -> Rest {
        let waker = waker.clone();
        let mut workers = self.workers.lock();
        if workers.has_surplus() {
            workers.retiring += 1;
            self.hold(&mut workers);
            return Rest::Retire;
        }
        if !workers.paused {
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
                // Made to be the first of a pool that opens in a moment.
                return match workers.reopening {
                    true => Rest::Again,
                    false => Rest::Leave,
                };
            }
        }
        // In a pause not armed: no job needs this worker before it is over.
        workers.asleep.push(Sleeper {
            seat: Arc::clone(seat),
            waker,
        });
        let idlers = workers.idlers_if(self.queue.counts().unfinished == 0);
        drop(workers);
        wake_all(idlers);
        Rest::Sleep
    }

    /// A worker slept for as long as workers may. True if it is to leave; false
    /// if it was roused meanwhile, or has to stay.
    #[cold]
    #[inline(never)]
    pub(crate) fn expire(&self, seat: &Arc<Seat>) -> bool {
        let mut workers = self.workers.lock();
        let least = self.options.stay.max(usize::from(self.options.on_threads));
        if workers.count - workers.retiring <= least || workers.paused {
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
        let sleeper = workers.asleep.remove(place);
        workers.retiring += 1;
        self.hold(&mut workers);
        drop(workers);
        drop(sleeper);
        true
    }
}
