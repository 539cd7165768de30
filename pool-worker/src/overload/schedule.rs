//! Which of the jobs that wait is next, and which are not worth it any more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::class::PRIORITIES;
use super::codel::Codel;
use super::lane::Lane;

/// How jobs that wait are ordered and shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) codel: Option<Codel>,
    /// How long a priority is passed over before it counts as the next higher one.
    pub(super) ageing: Option<Duration>,
    /// Whether keys of one priority take turns.
    pub(super) fair: bool,
    /// Whether the newest go first while the queue is overloaded.
    pub(super) newest_first: bool,
}

/// A job that waits.
pub(super) struct Waiting<J> {
    pub(super) job: J,
    pub(super) priority: u8,
    pub(super) key: u64,
    pub(super) cost: u8,
    pub(super) accepted_at: Duration,
    pub(super) expires_at: Option<Duration>,
    /// Its number among all, in the order in which they came; for the schedule to say.
    pub(super) nth: u64,
}

impl<J> Waiting<J> {
    pub(super) fn has_expired(&self, now: Duration) -> bool {
        self.expires_at.is_some_and(|expires| expires <= now)
    }
}

/// What to do with a job that left the queue, and how long it was there.
pub(super) enum Next<J> {
    Run(Waiting<J>, Duration),
    /// It waited for too long in a queue that is overloaded.
    Shed(Waiting<J>, Duration),
    /// Nobody waits for it any more.
    Expired(Waiting<J>, Duration),
}

/// Jobs that wait, by priority and then by key.
pub(super) struct Schedule<J> {
    order: Order,
    /// From the most urgent on.
    lanes: Box<[Lane<J>]>,
    /// A bit for each lane that has jobs, the lowest for the most urgent.
    filled: u64,
    len: usize,
    /// How many jobs have come.
    count: u64,
    /// Where the jobs are that have a deadline, by that and their number: lane and key.
    deadlines: BTreeMap<(Duration, u64), (usize, u64)>,
}

impl<J> Schedule<J> {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            lanes: (0..PRIORITIES).map(|_| Lane::new(&order)).collect(),
            filled: 0,
            len: 0,
            count: 0,
            deadlines: BTreeMap::new(),
        }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, mut job: Waiting<J>) {
        self.len += 1;
        if !self.order.fair {
            job.key = 0;
        }
        job.nth = self.count;
        self.count += 1;
        let lane = usize::from(job.priority);
        if let Some(expires) = job.expires_at {
            self.deadlines.insert((expires, job.nth), (lane, job.key));
        }
        self.filled |= 1 << lane;
        self.lanes[lane].push(job);
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Next<J>> {
        let priority = self.next_lane(now)?;
        let lane = &mut self.lanes[priority];
        // What is too old to be served goes before the newest do.
        let newest_since = self
            .order
            .codel
            .filter(|_| self.order.newest_first && lane.is_overloaded())
            .map(|codel| now.saturating_sub(codel.sheds_after()));
        // What stands in the queue tells of overload, also where the newest pass it, or
        // the jobs of another key.
        let oldest = lane.oldest().expect("a lane that is filled");
        let stands = now.saturating_sub(oldest);
        let job = lane.pop(newest_since);
        let delay = now.saturating_sub(job.accepted_at);
        let sheds = lane.sheds(now, stands, delay);
        let expired = job.has_expired(now);
        if !expired && !sheds {
            lane.runs(now);
        }
        self.left(&job);
        Some(if expired {
            Next::Expired(job, delay)
        } else if sheds {
            Next::Shed(job, delay)
        } else {
            Next::Run(job, delay)
        })
    }

    /// A job that nobody waits for any more, wherever it waits: the first to expire.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Waiting<J>> {
        let (&(expires, nth), &(lane, key)) = self.deadlines.first_key_value()?;
        if expires > now {
            return None;
        }
        let job = self.lanes[lane].take_nth(key, nth);
        self.left(&job);
        Some(job)
    }

    /// When the next of those that wait expires.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let first = self.deadlines.first_key_value();
        first.map(|(&(expires, _nth), _)| expires)
    }

    /// The job that is to be served last of the least urgent, if that is less urgent by
    /// now than this priority.
    pub(super) fn take_less_urgent(&mut self, now: Duration, than: u8) -> Option<Waiting<J>> {
        let least = self
            .lanes_filled()
            .max_by_key(|&lane| self.urgency(now, lane))?;
        if self.urgency(now, least).0 <= i128::from(than) {
            return None;
        }
        Some(self.take_last(least))
    }

    /// The job that is to be served last of the key that has most of this priority, where
    /// keys take turns, if this key has fewer all the same once it has one more.
    pub(super) fn take_of_more(&mut self, priority: u8, key: u64) -> Option<Waiting<J>> {
        let lane = usize::from(priority);
        let (of_key, most) = self.lanes[lane].lengths(key);
        (self.order.fair && of_key + 1 < most).then(|| self.take_last(lane))
    }

    fn take_last(&mut self, lane: usize) -> Waiting<J> {
        let lane = &mut self.lanes[lane];
        let oldest = self.order.newest_first && lane.is_overloaded();
        let job = lane.take_last(oldest);
        self.left(&job);
        job
    }

    /// For how long at most none was run of a priority that has jobs.
    pub(super) fn stands(&self, now: Duration) -> Duration {
        let since = self
            .lanes_filled()
            .map(|lane| self.lanes[lane].passed_over_since());
        since
            .min()
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// When the oldest job came that waits.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let oldest = self
            .lanes_filled()
            .filter_map(|lane| self.lanes[lane].oldest());
        oldest.min()
    }

    /// A job left its lane.
    fn left(&mut self, job: &Waiting<J>) {
        self.len -= 1;
        if self.lanes[usize::from(job.priority)].is_empty() {
            self.filled &= !(1 << job.priority);
        }
        if let Some(expires) = job.expires_at {
            self.deadlines.remove(&(expires, job.nth));
        }
    }

    /// The lanes that have jobs, the most urgent first.
    fn lanes_filled(&self) -> impl Iterator<Item = usize> + use<J> {
        let mut filled = self.filled;
        std::iter::from_fn(move || {
            let lane = filled.trailing_zeros();
            filled &= filled.wrapping_sub(1);
            (lane < u64::BITS).then_some(lane as usize)
        })
    }

    /// The most urgent priority that has jobs, where one that was passed over for
    /// long counts as a higher one; of equals, the one passed over for longest.
    fn next_lane(&self, now: Duration) -> Option<usize> {
        if self.order.ageing.is_none() {
            return self.lanes_filled().next();
        }
        self.lanes_filled()
            .min_by_key(|&lane| self.urgency(now, lane))
    }

    /// The least is the most urgent.
    fn urgency(&self, now: Duration, lane: usize) -> (i128, Duration) {
        let since = self.lanes[lane].passed_over_since();
        let passed_over = now.saturating_sub(since);
        let risen = self.order.ageing.map_or(0, |ageing| {
            passed_over.as_nanos() / ageing.as_nanos().max(1)
        });
        (lane as i128 - risen as i128, since)
    }
}

#[cfg(test)]
mod tests;
