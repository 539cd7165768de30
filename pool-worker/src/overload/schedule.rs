//! Which of the jobs that wait is next, and which are not worth it any more.

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
}

impl<J> Schedule<J> {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            lanes: (0..PRIORITIES).map(|_| Lane::new(&order)).collect(),
            filled: 0,
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
        self.filled |= 1 << job.priority;
        self.lanes[usize::from(job.priority)].push(job);
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
        let next = if job.has_expired(now) {
            Next::Expired(job, delay)
        } else if sheds {
            Next::Shed(job, delay)
        } else {
            lane.runs(now);
            Next::Run(job, delay)
        };
        self.left(priority);
        Some(next)
    }

    /// A job that nobody waits for any more, among those whose turn is next.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Waiting<J>> {
        let mut filled = self.lanes_filled();
        let found = filled.find_map(|lane| Some((lane, self.lanes[lane].take_expired(now)?)));
        let (lane, job) = found?;
        self.left(lane);
        Some(job)
    }

    /// The job that is farthest from its turn, if it is less urgent by now than this
    /// priority.
    pub(super) fn take_less_urgent(&mut self, now: Duration, than: u8) -> Option<Waiting<J>> {
        let least = self
            .lanes_filled()
            .max_by_key(|&lane| self.urgency(now, lane))?;
        if self.urgency(now, least).0 <= i128::from(than) {
            return None;
        }
        let lane = &mut self.lanes[least];
        let oldest = self.order.newest_first && lane.is_overloaded();
        let job = lane.take_last(oldest);
        self.left(least);
        Some(job)
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

    /// A job left this lane.
    fn left(&mut self, lane: usize) {
        self.len -= 1;
        if self.lanes[lane].is_empty() {
            self.filled &= !(1 << lane);
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

    #[test]
    fn costly_jobs_of_many_keys_come_round_without_walking_through_what_they_save() {
        let order = Order {
            fair: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        for nth in 0..2000 {
            let mut costly = job(nth, 0, u64::from(nth % 1000));
            costly.cost = 255;
            schedule.push(costly);
        }
        let mut cheap = job(5000, 0, 5000);
        cheap.cost = 254;
        schedule.push(cheap);
        let names = names(&mut schedule, MS);
        assert_eq!(names[0], 5000);
        assert!(names[1..].is_sorted(), "each key once, and then again");
        assert_eq!(names.len(), 2001);
    }

    #[test]
    fn the_least_urgent_makes_room_for_what_is_more_urgent_alone() {
        let mut schedule = Schedule::new(Order::default());
        for (name, priority) in [(1, 2), (2, 5), (3, 5), (4, 3)] {
            schedule.push(job(name, priority, 0));
        }
        let mut displaced = |by| schedule.take_less_urgent(MS, by).map(|job| job.job);
        assert_eq!(displaced(5), None);
        assert_eq!(displaced(4), Some(3), "the last to be served");
        assert_eq!(displaced(4), Some(2));
        assert_eq!(displaced(4), None);
        assert_eq!(displaced(0), Some(4));
        assert_eq!((schedule.len(), names(&mut schedule, MS)), (1, vec![1]));
    }

    #[test]
    fn what_has_risen_does_not_make_room() {
        let order = Order {
            ageing: Some(10 * MS),
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        schedule.push(job(1, 3, 0));
        assert!(schedule.take_less_urgent(30 * MS, 0).is_none());
        assert!(schedule.take_less_urgent(29 * MS, 0).is_some());
    }

    #[test]
    fn under_overload_the_oldest_makes_room_where_the_newest_go_first() {
        let order = Order {
            codel: Some(Codel::new(5 * MS, 100 * MS)),
            newest_first: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        for name in 0..5 {
            schedule.push(job(name, 7, 0));
        }
        let first = schedule.take_less_urgent(MS, 0);
        assert!(first.is_some_and(|job| job.job == 4));
        for at in [0, 101] {
            schedule.pop((1000 + at) * MS);
        }
        let then = schedule.take_less_urgent(1200 * MS, 0);
        assert!(then.is_some_and(|job| job.job == 2));
    }

    #[test]
    fn what_has_expired_makes_room() {
        let mut schedule = Schedule::new(Order::default());
        for (name, expires) in [(1, None), (2, Some(5 * MS)), (3, Some(20 * MS))] {
            let mut waiting = job(name, name as u8, 0);
            waiting.expires_at = expires;
            schedule.push(waiting);
        }
        let mut expired = || schedule.take_expired(10 * MS).map(|job| job.job);
        assert_eq!((expired(), expired()), (Some(2), None));
        assert_eq!(names(&mut schedule, MS), [1, 3]);
    }

    #[test]
    fn the_oldest_is_found_wherever_it_waits() {
        let order = Order {
            fair: true,
            ..Order::default()
        };
        let mut schedule = Schedule::new(order);
        assert_eq!(schedule.oldest(), None);
        for (at, priority, key) in [(7, 0, 1), (3, 2, 1), (5, 2, 2)] {
            let mut waiting = job(at, priority, key);
            waiting.accepted_at = at * MS;
            schedule.push(waiting);
        }
        assert_eq!(schedule.oldest(), Some(3 * MS));
        names(&mut schedule, 9 * MS);
        assert_eq!(schedule.oldest(), None);
    }
}
