//! The bounded queue: accepted jobs in order, and the account of each.
//!
//! Three numbers only ever grow: jobs *accepted*, *taken* by a worker, and
//! *finished*. A job is accepted while `accepted - finished` is below the
//! limit (capacity + queue bound), so a job that was accepted always finds a
//! slot; with a queue bound of 0 it also always finds a worker. The numbers
//! are in [`ledger`]; the jobs lie in [`slots`].

mod ledger;
mod slots;

use crossbeam_utils::CachePadded;

pub(crate) use self::ledger::{Accepted, Counts, Refused};
use self::ledger::{Ledger, PutTicket};
use self::slots::Slots;
use crate::sync::yield_now;

/// What comes with a job taken from the queue.
pub(crate) struct Taken {
    /// When it was accepted.
    pub(crate) accepted_at: u64,
    /// Whether submitters are blocked who may now get in: the taker reported
    /// a finished job with the same step.
    pub(crate) unblocks: bool,
}

/// A place in the queue that must be filled.
#[must_use]
pub(crate) struct Place(PutTicket);

pub(crate) struct Queue<J> {
    ledger: Ledger,
    slots: CachePadded<Slots<J>>,
}

impl<J> Queue<J> {
    /// The limit is on unfinished jobs; with unlimited workers it is on those
    /// that wait.
    ///
    /// # Panics
    /// When `limit` is 0 or above [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub(crate) fn new(limit: usize, most: usize, unlimited: bool) -> Self {
        Self {
            ledger: Ledger::new(limit, unlimited),
            slots: CachePadded::new(Slots::new(most)),
        }
    }

    /// Never above the `most` that the queue was made for.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.ledger.set_limit(limit);
    }

    pub(crate) const MAX_LIMIT: usize = Ledger::MAX_LIMIT;

    /// Accepts one job, if the limit and the state of the pool allow. The
    /// place must be filled at once: takers wait for it.
    #[inline]
    pub(crate) fn accept(&self) -> Result<(Place, Accepted), Refused> {
        let (ticket, accepted) = self.ledger.accept()?;
        Ok((Place(ticket), accepted))
    }

    /// Whether so many more jobs, at least one, would be accepted.
    pub(crate) fn has_room(&self, jobs: usize) -> bool {
        self.ledger.has_room(jobs as u64)
    }

    /// Fills an accepted place.
    #[inline]
    pub(crate) fn fill(&self, place: Place, job: J, accepted_at: u64) {
        self.slots.put(place.0, job, accepted_at);
    }

    /// Takes the oldest job in `hand`, for a worker, and in the same step reports an
    /// earlier one as finished. `None` if there is none ready or jobs are
    /// [held](Self::hold); then nothing was reported.
    #[inline]
    pub(crate) fn take(&self, hand: &mut Option<J>, finishing: bool) -> Option<Taken> {
        self.take_as(hand, finishing, false)
    }

    /// Takes the oldest job out, not to be run: held or not.
    pub(crate) fn take_out(&self, hand: &mut Option<J>) -> Option<Taken> {
        self.take_as(hand, false, true)
    }

    #[inline]
    fn take_as(&self, hand: &mut Option<J>, finishing: bool, held: bool) -> Option<Taken> {
        let is_ready = |number| self.slots.is_ready(number);
        let (ticket, unblocks) = self.ledger.take(finishing, held, is_ready)?;
        let accepted_at = self.slots.take(ticket, hand);
        Some(Taken {
            accepted_at,
            unblocks,
        })
    }

    /// Reports a job as finished; true if submitters are blocked.
    pub(crate) fn finish(&self) -> bool {
        self.ledger.finish()
    }

    /// When the oldest job that waits was accepted; none if no job waits.
    pub(crate) fn oldest(&self) -> Option<u64> {
        loop {
            let number = self.ledger.oldest()?;
            // Taken meanwhile, or about to be put down: then look again.
            match self.slots.stamp(number) {
                Some(stamp) if self.ledger.oldest() == Some(number) => return Some(stamp),
                _ => yield_now(),
            }
        }
    }

    /// Accepts again after a close.
    pub(crate) fn open(&self) {
        self.ledger.open();
    }

    /// Asks the next submitter to wake a worker. Counts are of this moment.
    pub(crate) fn arm(&self) -> Counts {
        self.ledger.arm()
    }

    /// Undoes [`arm`](Self::arm); true if no submitter had taken the request.
    pub(crate) fn disarm(&self) -> bool {
        self.ledger.disarm()
    }

    /// Lets no worker take a job from here on, or all of them again.
    pub(crate) fn hold(&self, held: bool) {
        self.ledger.hold(held);
    }

    /// Asks finishing workers to let blocked submitters in.
    pub(crate) fn flag_blocked(&self) {
        self.ledger.flag_blocked();
    }

    pub(crate) fn unflag_blocked(&self) {
        self.ledger.unflag_blocked();
    }

    /// Accepts nothing from now on; false if that was so before.
    pub(crate) fn close(&self) -> bool {
        self.ledger.close()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.ledger.is_closed()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.ledger.counts()
    }
}

impl<J> Drop for Queue<J> {
    fn drop(&mut self) {
        let mut hand = None;
        while self.take_out(&mut hand).is_some() {
            hand = None;
        }
    }
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_in_order_through_rings_of_every_size() {
        for most in [1, 2, 64, 4096, 4097] {
            let queue = Queue::new(most, most, false);
            let mut hand = None;
            for lap in 0..3 {
                for nth in 0..most {
                    let (place, _) = queue.accept().ok().unwrap();
                    queue.fill(place, (lap, nth), 0);
                }
                assert_eq!(queue.accept().err(), Some(Refused::Full));
                for nth in 0..most {
                    assert!(queue.take(&mut hand, false).is_some());
                    assert_eq!(hand.take(), Some((lap, nth)));
                    queue.finish();
                }
            }
        }
    }
}
