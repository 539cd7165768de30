//! Which of the jobs that wait is next, and which are not worth it any more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::codel::{Codel, Watch};

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
    /// From the most urgent on; none of them is empty.
    lanes: BTreeMap<u8, Lane<J>>,
    /// What CoDel has seen of each priority: it outlives a lane that is empty for a
    /// moment.
    watches: HashMap<u8, Watch>,
    len: usize,
}

/// Jobs of one priority. Keys take turns by deficit round robin (Shreedhar and
/// Varghese, 1995), with a quantum of 1.
struct Lane<J> {
    shares: HashMap<u64, Share<J>>,
    turns: VecDeque<u64>,
    /// Since when nothing was taken from it.
    passed_over_since: Duration,
}

struct Share<J> {
    jobs: VecDeque<Waiting<J>>,
    deficit: u8,
}

impl<J> Schedule<J> {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            lanes: BTreeMap::new(),
            watches: HashMap::new(),
            len: 0,
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
        let lane = self.lanes.entry(job.priority).or_insert_with(|| Lane {
            shares: HashMap::new(),
            turns: VecDeque::new(),
            passed_over_since: job.accepted_at,
        });
        lane.push(job);
    }

    /// The job whose turn it is.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Next<J>> {
        let priority = self.next_lane(now)?;
        let lane = self.lanes.get_mut(&priority)?;
        let mut watch = self.order.codel.map(|codel| {
            let new = || Watch::new(codel);
            self.watches.entry(priority).or_insert_with(new)
        });
        let overloaded = watch.as_ref().is_some_and(|watch| watch.is_overloaded());
        // What is too old to be served goes before the newest do.
        let too_old = self
            .order
            .codel
            .map(|codel| now.saturating_sub(codel.sheds_after()));
        let newest_since = too_old.filter(|_| overloaded && self.order.newest_first);
        let (job, oldest) = lane.pop(newest_since);
        lane.passed_over_since = now;
        self.len -= 1;
        if lane.turns.is_empty() {
            self.lanes.remove(&priority);
        }
        let delay = now.saturating_sub(job.accepted_at);
        // What stands in the queue tells of overload, also where the newest pass it.
        let stands = now.saturating_sub(oldest);
        let sheds = watch
            .as_mut()
            .is_some_and(|watch| watch.sheds(now, stands, delay));
        Some(if job.expires_at.is_some_and(|expires| expires <= now) {
            Next::Expired(job, delay)
        } else if sheds {
            Next::Shed(job, delay)
        } else {
            Next::Run(job, delay)
        })
    }

    /// For how long at most nothing was taken of a priority that has jobs.
    pub(super) fn stands(&self, now: Duration) -> Duration {
        let since = self.lanes.values().map(|lane| lane.passed_over_since);
        since
            .min()
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// The most urgent priority that has jobs, where one that was passed over for
    /// long counts as a higher one; of equals, the one passed over for longest.
    fn next_lane(&self, now: Duration) -> Option<u8> {
        let urgency = |(&priority, lane): (&u8, &Lane<J>)| {
            let passed_over = now.saturating_sub(lane.passed_over_since);
            let risen = self.order.ageing.map_or(0, |ageing| {
                passed_over.as_nanos() / ageing.as_nanos().max(1)
            });
            (i128::from(priority) - risen as i128, lane.passed_over_since)
        };
        let next = self.lanes.iter().min_by_key(|&lane| urgency(lane));
        next.map(|(&priority, _)| priority)
    }
}

impl<J> Lane<J> {
    fn push(&mut self, job: Waiting<J>) {
        let key = job.key;
        let share = self.shares.entry(key).or_insert_with(|| {
            self.turns.push_back(key);
            Share {
                jobs: VecDeque::new(),
                deficit: 0,
            }
        });
        share.jobs.push_back(job);
    }

    /// The next job of the key whose turn it is, and since when that key's oldest
    /// waits. The oldest, or, if it came since `newest_since`, the newest. A lane that
    /// is in the schedule has a job.
    fn pop(&mut self, newest_since: Option<Duration>) -> (Waiting<J>, Duration) {
        loop {
            let key = self.turns.pop_front().expect("a lane has a key");
            let share = self.shares.get_mut(&key).expect("a key has a share");
            let oldest = share.jobs.front().expect("a share has a job").accepted_at;
            let newest = newest_since.is_some_and(|since| oldest >= since);
            let end = if newest { share.jobs.len() - 1 } else { 0 };
            let cost = share.jobs[end].cost;
            if share.deficit < cost {
                // Its turn has come again and again until it can pay.
                share.deficit += 1;
                if share.deficit < cost {
                    self.turns.push_back(key);
                    continue;
                }
            }
            share.deficit -= cost;
            let job = share.jobs.remove(end).expect("it was looked at");
            if share.jobs.is_empty() {
                self.shares.remove(&key);
            } else {
                self.turns.push_back(key);
            }
            return (job, oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn job(name: u32, priority: u8, key: u64) -> Waiting<u32> {
        Waiting {
            job: name,
            priority,
            key,
            cost: 1,
            accepted_at: Duration::ZERO,
            expires_at: None,
        }
    }

    fn names(schedule: &mut Schedule<u32>, now: Duration) -> Vec<u32> {
        std::iter::from_fn(|| schedule.pop(now))
            .map(|next| match next {
                Next::Run(job, _) | Next::Shed(job, _) | Next::Expired(job, _) => job.job,
            })
            .collect()
    }

    #[test]
    fn the_urgent_go_first_and_equals_in_order() {
        let mut schedule = Schedule::new(Order::default());
        for (name, priority) in [(1, 2), (2, 0), (3, 1), (4, 0), (5, 2)] {
            schedule.push(job(name, priority, 0));
        }
        assert_eq!(names(&mut schedule, MS), [2, 4, 3, 1, 5]);
    }

    #[test]
    fn a_priority_that_is_passed_over_rises() {
        let order = Order {
            ageing: Some(10 * MS),
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        schedule.push(job(100, 3, 0));
        let mut served_at = None;
        for at in 0..100 {
            let mut urgent = job(at, 0, 0);
            urgent.accepted_at = at * MS;
            schedule.push(urgent);
            if let Some(Next::Run(job, _)) = schedule.pop(at * MS) {
                served_at = (job.job == 100).then_some(at).or(served_at);
            }
        }
        assert_eq!(
            served_at,
            Some(30),
            "it rose three times, and was passed over for longest"
        );
    }

    #[test]
    fn without_ageing_the_urgent_go_first_for_ever() {
        let mut schedule = Schedule::new(Order::default());
        schedule.push(job(100, 3, 0));
        for at in 0..100 {
            schedule.push(job(at, 0, 0));
            assert!(matches!(schedule.pop(at * MS), Some(Next::Run(job, _)) if job.job == at));
        }
    }

    #[test]
    fn keys_take_turns_whatever_each_has() {
        let order = Order {
            fair: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        (0..4).for_each(|name| schedule.push(job(name, 0, 7)));
        (10..12).for_each(|name| schedule.push(job(name, 0, 8)));
        schedule.push(job(20, 0, 9));
        assert_eq!(names(&mut schedule, MS), [0, 10, 20, 1, 11, 2, 3]);
    }

    #[test]
    fn a_costly_job_takes_as_many_turns() {
        let order = Order {
            fair: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        for name in 0..2 {
            let mut costly = job(name, 0, 7);
            costly.cost = 3;
            schedule.push(costly);
        }
        (10..16).for_each(|name| schedule.push(job(name, 0, 8)));
        assert_eq!(names(&mut schedule, MS), [10, 11, 0, 12, 13, 14, 1, 15]);
    }

    #[test]
    fn without_fairness_keys_do_not_matter() {
        let mut schedule = Schedule::new(Order::default());
        for (name, key) in [(1, 7), (2, 7), (3, 8)] {
            schedule.push(job(name, 0, key));
        }
        assert_eq!(names(&mut schedule, MS), [1, 2, 3]);
    }

    #[test]
    fn what_nobody_waits_for_is_not_run() {
        let mut schedule = Schedule::new(Order::default());
        let mut late = job(1, 0, 0);
        late.expires_at = Some(5 * MS);
        schedule.push(late);
        let next = schedule.pop(5 * MS);
        assert!(matches!(next, Some(Next::Expired(job, delay)) if (job.job, delay) == (1, 5 * MS)));
    }

    #[test]
    fn under_overload_the_newest_go_first_once_the_oldest_are_shed() {
        let order = Order {
            codel: Some(Codel::new(5 * MS, 100 * MS)),
            newest_first: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        let (mut ran, mut shed) = (Vec::new(), Vec::new());
        for at in 0..400 {
            // Two come for each that can be served.
            for name in [2 * at, 2 * at + 1] {
                let mut waiting = job(name, 0, 0);
                waiting.accepted_at = at * MS;
                schedule.push(waiting);
            }
            loop {
                match schedule.pop(at * MS) {
                    Some(Next::Run(job, _)) => break ran.push(job.job),
                    Some(Next::Shed(job, _)) => shed.push(job.job),
                    _ => unreachable!("one waits, and none expires"),
                }
            }
        }
        assert!(ran[..100].is_sorted());
        assert_eq!(ran.last(), Some(&799));
        assert!(shed.is_sorted() && shed.len() > 200);
    }
}
