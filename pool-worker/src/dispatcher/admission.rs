//! How a job gets in: at once, by making room, or by way of the line.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};

use super::Dispatcher;
use crate::clock::MOMENT;
use crate::error::Reason;
use crate::line::Blocked;
use crate::queue::{Accepted, Refused};
use crate::wakers::wake_all;

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

impl<J: Send + 'static> Dispatcher<J> {
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
            let mut hand = None;
            let Some(oldest) = self.queue.take_out(&mut hand) else {
                // Where a worker was quicker to take it, that has made room.
                return self.offer(job).map_err(|rejected| self.reject(rejected));
            };
            // Before it is finished: it never counts as one that ran.
            self.displaced.fetch_add(1, Relaxed);
            let waited = self.clock.now().saturating_sub(oldest.accepted_at);
            self.recorder.record_displaced(waited);
            displaced.extend(hand);
            if self.queue.finish() || oldest.unblocks {
                self.admit_line();
            }
            self.ended_elsewhere();
        }
    }

    /// As [`offer`](Self::offer), without waking a worker for it.
    #[inline]
    pub(crate) fn enqueue(&self, job: J) -> Result<Accepted, Rejected<J>> {
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

    /// Whether a submitter that found no room has reason to look again: there is room for
    /// some jobs, not just for one.
    ///
    /// One that gets in with each job that ends is in step with the workers, and each of
    /// the two takes the other's line with every job. To come a little later holds no job
    /// up, as long as those that are queued before it have to start first.
    pub(crate) fn has_room_again(&self) -> bool {
        self.queue.has_room((self.options.queue / 4).clamp(1, 64))
    }

    /// Counts a rejection that the submitter will see.
    #[cold]
    pub(crate) fn reject(&self, rejected: Rejected<J>) -> Rejected<J> {
        self.count_rejection(rejected.reason);
        rejected
    }

    pub(crate) fn count_rejection(&self, reason: Reason) {
        self.rejected.add(reason);
    }

    /// A submitter that was blocked since then is so no longer.
    pub(crate) fn record_blocked(&self, since: u64) {
        self.record_blocked_until(self.clock.now(), since);
    }

    fn record_blocked_until(&self, now: u64, since: u64) {
        let ticks = now.saturating_sub(since);
        self.recorder.record_blocked(ticks);
        self.brisk.store(ticks <= MOMENT, Relaxed);
    }

    /// Whether the last submitter that was blocked was so for a [`MOMENT`] at most.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_brisk(&self) -> bool {
        self.brisk.load(Relaxed)
    }

    /// Joins the line of blocked submitters, unless the job is accepted after
    /// all.
    pub(crate) fn join_line(
        self: &Arc<Self>,
        job: J,
        since: u64,
        waker: &Waker,
    ) -> Result<Queued, Rejected<J>> {
        let waker = Some(waker.clone());
        let mut line = self.line.lock();
        // From here on whoever finishes a job comes to the line, and waits for
        // this lock. So it is enough to try once more.
        self.queue.flag_blocked();
        let outcome = match self.enqueue(job) {
            Err(full) if full.reason == Reason::Full => {
                if line.len() < self.options.max_blocked {
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
        let accepted = outcome?;
        self.record_blocked(since);
        if accepted.wake {
            self.rouse_one();
        }
        Ok(Queued::Accepted)
    }

    /// Looks whether a blocked submitter was accepted; else it stays in line.
    pub(crate) fn poll_line(&self, place: u64, waker: &Waker) -> Poll<Result<(), Rejected<J>>> {
        let waker = waker.clone();
        let mut line = self.line.lock();
        let Some(blocked) = line.get_mut(place) else {
            return Poll::Ready(Ok(()));
        };
        if !self.queue.is_closed() {
            let replaced = blocked.waker.replace(waker);
            drop(line);
            drop(replaced);
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
            self.record_blocked_until(now, blocked.since);
            wakers.extend(blocked.waker);
        }
        if line.is_empty() {
            self.queue.unflag_blocked();
        }
        drop(line);
        if wake {
            self.rouse_one();
        }
        wake_all(wakers);
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
