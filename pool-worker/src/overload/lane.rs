//! Jobs of one priority, and whose turn it is.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::codel::Watch;
use super::schedule::{Order, Waiting};

/// Jobs of one priority. Keys take turns by deficit round robin (Shreedhar and
/// Varghese, 1995), with a quantum of 1: a key whose job costs 3 is served in every
/// third round.
///
/// The rounds in which it only saves are not walked through: it is put down for the
/// one in which it can pay. So a turn costs the logarithm of the number of keys,
/// whatever their jobs cost.
pub(super) struct Lane<J> {
    shares: HashMap<u64, Share<J>>,
    /// One for each share.
    turns: BTreeSet<Turn>,
    /// When the oldest job of each share came, where there may be more than one.
    oldest: BTreeSet<(Duration, u64)>,
    /// How many jobs each share has, likewise.
    lengths: BTreeSet<(usize, u64)>,
    /// Whether there may be.
    fair: bool,
    /// The round that the last job was served in.
    round: u64,
    /// How many turns there have been.
    count: u64,
    /// Since when none of it was run.
    passed_over_since: Duration,
    /// What CoDel has seen: also of a lane that is empty for a moment.
    watch: Option<Watch>,
}

/// When a key is served; within a round, in the order in which they were put down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    round: u64,
    nth: u64,
    key: u64,
}

struct Share<J> {
    jobs: VecDeque<Waiting<J>>,
    turn: Turn,
    /// The cost that it will have saved by then.
    saved: u8,
}

impl<J> Lane<J> {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            shares: HashMap::new(),
            turns: BTreeSet::new(),
            oldest: BTreeSet::new(),
            lengths: BTreeSet::new(),
            fair: order.fair,
            round: 0,
            count: 0,
            passed_over_since: Duration::ZERO,
            watch: order.codel.map(Watch::new),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Since when none of it was run, while it has jobs.
    pub(super) fn passed_over_since(&self) -> Duration {
        self.passed_over_since
    }

    /// One of it is run.
    pub(super) fn runs(&mut self, now: Duration) {
        self.passed_over_since = now;
    }

    /// As CoDel sees it.
    pub(super) fn is_overloaded(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_overloaded)
    }

    /// Whether to shed the job that left it now; see [`Watch::sheds`].
    pub(super) fn sheds(&mut self, now: Duration, stands: Duration, delay: Duration) -> bool {
        let watch = self.watch.as_mut();
        watch.is_some_and(|watch| watch.sheds(now, stands, delay))
    }

    /// When its oldest job came.
    pub(super) fn oldest(&self) -> Option<Duration> {
        if self.fair {
            return self.oldest.first().map(|(came, _)| *came);
        }
        let share = self.shares.values().next();
        share.map(|share| share.jobs[0].accepted_at)
    }

    pub(super) fn push(&mut self, job: Waiting<J>) {
        if self.is_empty() {
            self.passed_over_since = job.accepted_at;
        }
        let (key, saved) = (job.key, job.cost);
        if let Some(share) = self.shares.get_mut(&key) {
            share.jobs.push_back(job);
            let length = share.jobs.len();
            self.is_now(key, length - 1, length);
            return;
        }
        self.is_now(key, 0, 1);
        let turn = self.put_down(key, self.round + u64::from(saved));
        if self.fair {
            self.oldest.insert((job.accepted_at, key));
        }
        let jobs = VecDeque::from([job]);
        self.shares.insert(key, Share { jobs, turn, saved });
    }

    /// The next job of the key whose turn it is: the oldest, or, if even that came since
    /// `newest_since`, the newest. The lane has a job.
    pub(super) fn pop(&mut self, newest_since: Option<Duration>) -> Waiting<J> {
        let turn = *self.turns.first().expect("a lane that is filled");
        let share = self.share(turn.key);
        let saved = share.saved;
        let oldest = share.jobs[0].accepted_at;
        let newest = newest_since.is_some_and(|since| oldest >= since);
        let place = if newest { share.jobs.len() - 1 } else { 0 };
        let job = self.take(turn.key, place);
        self.round = turn.round;
        self.comes_next(turn, u64::from(job.cost), u64::from(saved));
        job
    }

    /// The job of this number, of a key that has it.
    pub(super) fn take_nth(&mut self, key: u64, nth: u64) -> Waiting<J> {
        let jobs = &self.share(key).jobs;
        let place = jobs.partition_point(|job| job.nth < nth);
        self.take(key, place)
    }

    /// How many jobs this key has, and how many the one that has most.
    pub(super) fn lengths(&self, key: u64) -> (usize, usize) {
        let of_key = self.shares.get(&key).map_or(0, |share| share.jobs.len());
        let most = self.lengths.last().map_or(of_key, |&(length, _)| length);
        (of_key, most)
    }

    /// The newest job, or the oldest, of the key that has most. The lane has a job.
    pub(super) fn take_last(&mut self, oldest: bool) -> Waiting<J> {
        let longest = self.lengths.last().map(|&(_, key)| key);
        let only = || self.turns.first().expect("a lane that is filled").key;
        let key = longest.unwrap_or_else(only);
        let place = if oldest {
            0
        } else {
            self.share(key).jobs.len() - 1
        };
        self.take(key, place)
    }

    /// The job at this place of a key, whose turn is over if that was its last.
    fn take(&mut self, key: u64, place: usize) -> Waiting<J> {
        let share = self.share(key);
        let turn = share.turn;
        let first = share.jobs[0].accepted_at;
        let job = share.jobs.remove(place);
        let now_first = share.jobs.front().map(|job| job.accepted_at);
        let length = share.jobs.len();
        self.is_now(key, length + 1, length);
        if now_first.is_none() {
            self.shares.remove(&key);
            self.turns.remove(&turn);
        }
        if self.fair && now_first != Some(first) {
            self.oldest.remove(&(first, key));
            self.oldest.extend(now_first.map(|first| (first, key)));
        }
        job.expect("a share has the job")
    }

    /// A key has so many jobs, and had as many before.
    fn is_now(&mut self, key: u64, before: usize, now: usize) {
        if self.fair {
            self.lengths.remove(&(before, key));
            if now > 0 {
                self.lengths.insert((now, key));
            }
        }
    }

    fn share(&mut self, key: u64) -> &mut Share<J> {
        self.shares.get_mut(&key).expect("a turn has a share")
    }

    fn put_down(&mut self, key: u64, round: u64) -> Turn {
        let nth = self.count;
        let turn = Turn { round, nth, key };
        self.turns.insert(turn);
        self.count += 1;
        turn
    }

    /// A key had its turn, and paid so much, where it had saved so much.
    fn comes_next(&mut self, turn: Turn, paid: u64, saved: u64) {
        // Alone it need not wait for its turn.
        if self.turns.len() == 1 || !self.turns.remove(&turn) {
            return;
        }
        let cost = self.share(turn.key).jobs[0].cost;
        // It differs where the oldest was counted on, and the newest was served, or the
        // oldest has expired.
        let owed = (u64::from(cost) + paid).saturating_sub(saved);
        let next = self.put_down(turn.key, turn.round + owed);
        let share = self.share(turn.key);
        (share.turn, share.saved) = (next, cost);
    }
}
