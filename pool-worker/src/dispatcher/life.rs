//! A pool ends, rests and begins again; workers that are gone.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use super::Dispatcher;
use crate::error::{CloseError, CloseReason, ReopenError, ReopenReason};
use crate::idle::{Seat, Sleeper, Workers};
use crate::overload::HoldEnd;
use crate::panic;
use crate::permits::Permit;
use crate::sync::{AtomicU32, MutexGuard, Ordering, yield_now};
use crate::wait::End;
use crate::wakers::{Key, wake_all};
use crate::worker::Worker;

impl<J: Send + 'static> Dispatcher<J> {
    /// A worker is gone. `retired` if the capacity had no room for it, or it
    /// had no job for too long. `abandoned` if its runtime took it
    /// away: then nothing that is accepted will run, so the pool closes, and
    /// the last worker gives up what is queued.
    pub(crate) fn left(self: &Arc<Self>, seat: Arc<Seat>, abandoned: bool, retired: bool) {
        if abandoned {
            let _ = self.close();
        }
        let mut workers = self.workers.lock();
        workers.count -= 1;
        workers.retiring -= usize::from(retired);
        self.hold(&mut workers);
        workers.vacant.push(seat);
        workers.abandoned |= abandoned;
        let counts = self.queue.arm();
        if workers.count > 0 {
            let idlers = workers.idlers_if(counts.unfinished == 0);
            drop(workers);
            wake_all(idlers);
        } else {
            self.last_left(workers);
        }
    }

    /// As [`left`](Self::left), for the last worker.
    fn last_left(&self, workers: MutexGuard<'_, Workers>) {
        let give_up = workers.abandoned;
        drop(workers);
        if give_up {
            // The pool is closed, so their number is final; but a submitter that was
            // accepted before may yet have to put its job down.
            let mut hand = None;
            while self.queue.counts().queued > 0 {
                if self.queue.take_out(&mut hand).is_none() {
                    yield_now();
                    continue;
                }
                panic::contain(|| drop(hand.take()));
                self.cancelled.fetch_add(1, Relaxed);
                self.queue.finish();
            }
        }
        let mut workers = self.workers.lock();
        let waiting = workers.closers.take().chain(workers.idlers.take());
        drop(workers);
        wake_all(waiting);
    }

    /// For who ends jobs elsewhere that no worker has ended yet: until that is told the pool
    /// has not come to its own end.
    pub(crate) fn end_holder(self: &Arc<Self>) -> impl HoldEnd + use<J> {
        EndHolder {
            untold: Arc::clone(&self.untold),
            dispatcher: Arc::downgrade(self),
        }
    }

    /// Accepted jobs that have not ended, and those whose end has yet to be told.
    fn unfinished(&self) -> usize {
        // In this order: an end is held up before the worker's part of it is done.
        let unfinished = self.queue.counts().unfinished as usize;
        unfinished + self.untold.load(Ordering::Acquire) as usize
    }

    /// A job has ended that no worker had. Where it was the last one, no worker may come to
    /// rest or leave after it: who waits for that is told here.
    pub(super) fn ended_elsewhere(&self) {
        if self.queue.counts().unfinished == 0 {
            self.tell_end();
        }
    }

    /// A worker's job has ended that had a place of a sub-pool. It counts as finished first,
    /// for who waits for the sub-pool; and the pool has not come to its own end before the
    /// place is free.
    pub(crate) fn finish_with_place(self: &Arc<Self>, place: Permit) {
        // Seen by who sees that the job has finished, as that comes after.
        self.untold.fetch_add(1, Ordering::Relaxed);
        if self.queue.finish() {
            self.admit_line();
        }
        drop(place);
        // Told as any end is, as this worker rests or leaves.
        self.untold.fetch_sub(1, Ordering::Release);
    }

    /// What has ended elsewhere may have been the last: tells who looked before that, and so
    /// has left its waker by now.
    fn tell_end(&self) {
        let mut workers = self.workers.lock();
        // Of a job that ends on a worker later, that tells. Under the lock, as who saw that
        // all had ended left its waker under it: an older count might be seen without.
        if self.queue.counts().unfinished > 0 {
            return;
        }
        let idlers = workers.idlers.take();
        let closers = (workers.count == 0).then(|| workers.closers.take());
        drop(workers);
        wake_all(idlers.chain(closers.into_iter().flatten()));
    }

    /// Accepts nothing from now on, and tells everyone who sleeps or waits.
    pub(crate) fn close(&self) -> Result<(), CloseError> {
        if !self.queue.close() {
            return Err(self.unclosed(CloseReason::Closed));
        }
        let mut workers = self.workers.lock();
        // A pause is over: what was accepted runs. Unless the pool is open again by now,
        // and the pause a new one.
        if self.queue.is_closed() {
            workers.paused = false;
            self.hold(&mut workers);
        }
        let sleepers = std::mem::take(&mut workers.asleep);
        drop(workers);
        sleepers.into_iter().for_each(Sleeper::rouse);
        let wakers = self.line.lock().take_wakers();
        wake_all(wakers);
        for part in self.parts() {
            part.wake_all();
        }
        Ok(())
    }

    pub(crate) fn late(&self) -> CloseError {
        let unfinished = self.unfinished();
        self.unclosed(CloseReason::Late { unfinished })
    }

    pub(crate) fn unclosed(&self, reason: CloseReason) -> CloseError {
        CloseError::new(&self.options.name, reason)
    }

    fn unopened(&self, reason: ReopenReason) -> ReopenError {
        ReopenError::new(&self.options.name, reason)
    }

    /// Whether it has come to this end.
    pub(crate) fn poll_end(&self, end: End, key: &mut Key, waker: &Waker) -> Poll<()> {
        let waker = waker.clone();
        let mut workers = self.workers.lock();
        // The worker that ends the last job rests or leaves after that, for which it
        // needs this lock: it comes before these counts or finds the waker. Where all
        // have to leave, a job accepted before the close may have no worker yet: its
        // submitter is about to make one.
        let left = matches!(end, End::Idle) || workers.count == 0;
        if left && self.unfinished() == 0 {
            return Poll::Ready(());
        }
        let replaced = workers.waiting_for(end).leave(key, waker);
        drop(workers);
        drop(replaced);
        Poll::Pending
    }

    /// Who waited for this end under this key does no longer.
    pub(crate) fn forget(&self, end: End, key: u64) {
        let waker = self.workers.lock().waiting_for(end).remove(key);
        drop(waker);
    }

    /// Accepts again, once a close has drained.
    pub(crate) fn reopen(self: &Arc<Self>) -> Result<(), ReopenError> {
        let mut workers = self.workers.lock();
        if !self.queue.is_closed() {
            return Err(self.unopened(ReopenReason::Open));
        }
        if workers.count > 0 || self.unfinished() > 0 {
            return Err(self.unopened(ReopenReason::Draining));
        }
        if workers.abandoned {
            return Err(self.unopened(ReopenReason::NoRuntime));
        }
        if self.options.on_threads {
            // Before anything is accepted: without a worker, and a system that gives no
            // thread for one, a job would wait until another comes.
            workers.reopening = true;
            let seat = self.seat(&mut workers);
            drop(workers);
            let launched = (self.launch)(Worker::new(Arc::clone(self), seat));
            workers = self.workers.lock();
            workers.reopening = false;
            if launched.is_err() {
                return Err(self.unopened(ReopenReason::NoThread));
            }
        }
        // The closer may have yet to come to that.
        workers.paused = false;
        self.hold(&mut workers);
        self.queue.arm();
        self.queue.open();
        drop(workers);
        // Of those that are refused, each leaves as it is dropped.
        let _ = self.prestart(0);
        // Who was blocked before the close and has yet to look finds the pool open: nobody
        // else would let it in.
        self.admit_line();
        Ok(())
    }

    /// Workers start no job from now on; those that run go on.
    pub(crate) fn pause(&self) {
        let mut workers = self.workers.lock();
        // A closed pool runs what it accepted: a close that comes now finds this.
        workers.paused = !self.queue.is_closed();
        self.hold(&mut workers);
    }

    /// Undoes [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        let mut workers = self.workers.lock();
        // Under the lock: a worker that went to sleep for the pause is on the
        // stack, and one that comes later sees that it is over.
        workers.paused = false;
        self.hold(&mut workers);
        let sleepers = std::mem::take(&mut workers.asleep);
        drop(workers);
        sleepers.into_iter().for_each(Sleeper::rouse);
    }

    /// Whether no job may start.
    pub(crate) fn is_paused(&self) -> bool {
        self.workers.lock().paused
    }
}

struct EndHolder<J: Send + 'static> {
    /// Apart, so that to hold up the end, under a lock, never drops a dispatcher.
    untold: Arc<AtomicU32>,
    dispatcher: Weak<Dispatcher<J>>,
}

impl<J: Send + 'static> HoldEnd for EndHolder<J> {
    fn hold(&self, jobs: u32) {
        // Seen by who sees that the last worker has ended, as that comes after.
        self.untold.fetch_add(jobs, Ordering::Relaxed);
    }

    fn release(&self) {
        self.untold.fetch_sub(1, Ordering::Release);
        if let Some(dispatcher) = self.dispatcher.upgrade() {
            dispatcher.tell_end();
        }
    }
}
