//! The account of every job in two words.
//!
//! `accepted`, which submitters write: `[accepted:62 | ARMED | CLOSED]`.
//! `progress`, which workers write: `[finished:30 | taken:32 | HELD | BLOCKED]`.
//!
//! Each question that two sides must agree on is settled in the order of one
//! word's modifications, by read-modify-writes on both sides, so neither a
//! fence nor `SeqCst` is needed:
//! - accept against close, and accept against a worker that goes to sleep, on
//!   `accepted`;
//! - finish against a submitter that blocks, and take against a pool that holds its
//!   jobs back, on `progress`.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering};

const CLOSED: u64 = 1;
/// Whoever accepts the next job must wake a worker.
const ARMED: u64 = 2;
const ONE_ACCEPTED: u64 = 4;

/// Submitters are blocked: whoever finishes a job must let them in.
const BLOCKED: u64 = 1;
/// No worker may take a job: the pool is paused, or has more workers than it may.
const HELD: u64 = 2;
const TAKEN_SHIFT: u32 = 2;
const TAKEN_MASK: u64 = (u32::MAX as u64) << TAKEN_SHIFT;
const FINISHED_SHIFT: u32 = 34;
const ONE_FINISHED: u64 = 1 << FINISHED_SHIFT;
const FINISHED_MODULO: u64 = 1 << (64 - FINISHED_SHIFT);

/// The right to fill one slot. Made once for each number, not copied.
pub(super) struct PutTicket(u32);

/// The right to empty one slot. Made once for each number, not copied.
pub(super) struct TakeTicket(u32);

impl PutTicket {
    /// Uses the right up.
    pub(super) fn spend(self) -> u32 {
        self.0
    }
}

impl TakeTicket {
    /// Uses the right up.
    pub(super) fn spend(self) -> u32 {
        self.0
    }
}

/// What comes with being accepted.
#[must_use]
pub(crate) struct Accepted {
    /// The submitter must wake a worker once the job lies in its slot.
    pub(crate) wake: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// The numbers at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    /// Jobs accepted so far.
    pub(crate) accepted: u64,
    /// Of these, not yet taken.
    pub(crate) queued: u64,
    /// Of these, not yet finished.
    pub(crate) unfinished: u64,
    pub(crate) closed: bool,
}

pub(super) struct Ledger {
    front: CachePadded<Front>,
    progress: CachePadded<AtomicU64>,
    limit: AtomicU64,
    /// The limit is on jobs not taken, not on jobs not finished.
    unlimited: bool,
}

struct Front {
    accepted: AtomicU64,
    /// How many jobs were finished when some submitter last looked. It spares
    /// the others the line that workers write. Being behind is safe.
    finished_seen: AtomicU64,
}

fn finished(progress: u64) -> u64 {
    progress >> FINISHED_SHIFT
}

fn taken(progress: u64) -> u32 {
    (progress >> TAKEN_SHIFT) as u32
}

/// Jobs accepted and not taken; a `taken` that is ahead counts as none.
fn queued(accepted: u64, progress: u64) -> u64 {
    let distance = (accepted as u32).wrapping_sub(taken(progress));
    u64::from(if distance > u32::MAX / 2 { 0 } else { distance })
}

/// Jobs accepted and not finished, where the two counts may be of different
/// moments: a `finished` that is ahead counts as none.
fn unfinished(accepted: u64, finished: u64) -> u64 {
    let distance = accepted.wrapping_sub(finished) % FINISHED_MODULO;
    if distance > FINISHED_MODULO / 2 {
        return 0;
    }
    distance
}

impl Ledger {
    /// Distances are kept modulo 2^30, half of which tells order.
    pub(super) const MAX_LIMIT: usize = 1 << 29;

    pub(super) fn new(limit: usize, unlimited: bool) -> Self {
        assert!(
            (1..=Self::MAX_LIMIT).contains(&limit),
            "capacity and queue bound together must be between 1 and {}",
            Self::MAX_LIMIT
        );
        Self {
            front: CachePadded::new(Front {
                // Armed from the start: the first job needs a first worker.
                accepted: AtomicU64::new(ARMED),
                finished_seen: AtomicU64::new(0),
            }),
            progress: CachePadded::new(AtomicU64::new(0)),
            limit: AtomicU64::new(limit as u64),
            unlimited,
        }
    }

    /// A submitter that knows the limit of a moment ago is like one that came
    /// a moment ago.
    #[inline]
    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit as u64, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn accept(&self) -> Result<(PutTicket, Accepted), Refused> {
        let mut word = self.front.accepted.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err(Refused::Closed);
            }
            let accepted = word / ONE_ACCEPTED;
            let seen = self.front.finished_seen.load(Ordering::Relaxed);
            if accepted.saturating_sub(seen) >= self.limit() && self.is_full(accepted) {
                return Err(Refused::Full);
            }
            // Acquire pairs with the Release of `arm`: who takes the request
            // sees the worker in the idle stack. Release pairs with the
            // Acquire of `arm` and `close`.
            match self.front.accepted.compare_exchange_weak(
                word,
                (word + ONE_ACCEPTED) & !ARMED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let wake = word & ARMED != 0;
                    return Ok((PutTicket(accepted as u32), Accepted { wake }));
                }
                Err(now) => word = now,
            }
        }
    }

    /// Looks at the workers' word, and remembers it for other submitters.
    #[cold]
    #[inline(never)]
    fn is_full(&self, accepted: u64) -> bool {
        let progress = self.progress.load(Ordering::Acquire);
        let unfinished = if self.unlimited {
            queued(accepted, progress)
        } else {
            unfinished(accepted, finished(progress))
        };
        // Kept in full, not modulo, so that a store delayed for long is merely
        // far behind.
        let seen = accepted - unfinished.min(accepted);
        self.front.finished_seen.store(seen, Ordering::Relaxed);
        unfinished >= self.limit()
    }

    /// Whether so many more jobs, at least one, would be accepted.
    pub(super) fn has_room(&self, jobs: u64) -> bool {
        let accepted = self.front.accepted.load(Ordering::Relaxed) / ONE_ACCEPTED;
        !self.is_full(accepted + jobs - 1)
    }

    /// `is_ready` tells whether the job of a number lies in its slot. Takes nothing
    /// while jobs are held, unless `held` ones are wanted too.
    #[inline]
    pub(super) fn take(
        &self,
        finishing: bool,
        held: bool,
        is_ready: impl Fn(u32) -> bool,
    ) -> Option<(TakeTicket, bool)> {
        let finish = if finishing { ONE_FINISHED } else { 0 };
        let mut word = self.progress.load(Ordering::Relaxed);
        loop {
            // A stale word without the flag fails below; a stale one with it is put
            // right by the lock that the worker takes next, under which it is written.
            if !held && word & HELD != 0 {
                return None;
            }
            let number = taken(word);
            if !is_ready(number) {
                // A number behind the word's last is never ready again, so a
                // stale word must not end the search.
                let now = self.progress.load(Ordering::Relaxed);
                if taken(now) == number {
                    return None;
                }
                word = now;
                continue;
            }
            let next = u64::from(number.wrapping_add(1)) << TAKEN_SHIFT;
            let next = ((word & !TAKEN_MASK) | next).wrapping_add(finish);
            // Release: a submitter that sees this job's predecessor finished
            // has everything it did before it. The slot itself is published
            // by the slot's state.
            match self.progress.compare_exchange_weak(
                word,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    return Some((TakeTicket(number), word & BLOCKED != 0));
                }
                Err(now) => word = now,
            }
        }
    }

    /// The number of the oldest job that is not taken, if there is one.
    pub(super) fn oldest(&self) -> Option<u32> {
        let progress = self.progress.load(Ordering::Acquire);
        (self.counts().queued > 0).then_some(taken(progress))
    }

    /// Accepts again after a close.
    pub(super) fn open(&self) {
        self.front.accepted.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    pub(super) fn finish(&self) -> bool {
        // `finished` has the top bits, so its overflow harms no neighbour.
        self.progress.fetch_add(ONE_FINISHED, Ordering::AcqRel) & BLOCKED != 0
    }

    pub(super) fn arm(&self) -> Counts {
        let word = self.front.accepted.fetch_or(ARMED, Ordering::AcqRel);
        self.counts_at(word)
    }

    pub(super) fn disarm(&self) -> bool {
        self.front.accepted.fetch_and(!ARMED, Ordering::AcqRel) & ARMED != 0
    }

    /// From here on no worker takes a job, or all may again.
    pub(super) fn hold(&self, held: bool) {
        if held {
            self.progress.fetch_or(HELD, Ordering::AcqRel);
        } else {
            self.progress.fetch_and(!HELD, Ordering::AcqRel);
        }
    }

    pub(super) fn flag_blocked(&self) {
        self.progress.fetch_or(BLOCKED, Ordering::AcqRel);
    }

    pub(super) fn unflag_blocked(&self) {
        self.progress.fetch_and(!BLOCKED, Ordering::AcqRel);
    }

    pub(super) fn close(&self) -> bool {
        self.front.accepted.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.front.accepted.load(Ordering::Acquire) & CLOSED != 0
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts_at(self.front.accepted.load(Ordering::Acquire))
    }

    /// `word` is of this moment or earlier, and so are the counts of jobs not
    /// taken and not finished: the others were not accepted by then.
    fn counts_at(&self, word: u64) -> Counts {
        let accepted = word / ONE_ACCEPTED;
        let progress = self.progress.load(Ordering::Acquire);
        Counts {
            accepted,
            queued: queued(accepted, progress),
            unfinished: unfinished(accepted, finished(progress)),
            closed: word & CLOSED != 0,
        }
    }
}
