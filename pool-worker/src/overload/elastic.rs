//! How many workers there should be.

use std::time::Duration;

/// A size that follows the delay: more workers while jobs wait longer than the
/// target though all are busy, fewer once some have been idle for long.
///
/// Growth is by delay and not by the length of the queue: a long queue of short jobs
/// needs no one, a short one of long jobs does. It is limited in rate, so that a
/// burst does not make all workers at once, and between growth and shrinking there
/// is a stretch in which neither happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elastic {
    core: usize,
    most: usize,
    target: Duration,
    pace: Duration,
    idle: Duration,
}

impl Elastic {
    /// Between so many workers that always may be, and so many at most; the target
    /// is 5 ms, growth is by a worker every 10 ms, and shrinking by a worker for
    /// every 10 s in which not all were busy at once.
    ///
    /// # Panics
    /// When `core` is 0 or more than `most`.
    #[must_use]
    pub const fn new(core: usize, most: usize) -> Self {
        assert!(0 < core && core <= most, "1 <= core <= most");
        Self {
            core,
            most,
            target: Duration::from_millis(5),
            pace: Duration::from_millis(10),
            idle: Duration::from_secs(10),
        }
    }

    /// The delay above which a worker is added.
    #[must_use]
    pub const fn target(mut self, delay: Duration) -> Self {
        self.target = delay;
        self
    }

    /// How long to wait between one worker added and the next.
    #[must_use]
    pub const fn pace(mut self, between: Duration) -> Self {
        self.pace = between;
        self
    }

    /// How long a worker must not have been needed before it goes.
    #[must_use]
    pub const fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// To begin with, and at most.
    pub(super) const fn sizes(&self) -> (usize, usize) {
        (self.core, self.most)
    }

    /// How long a worker stays that has no job, and how many stay for ever.
    pub(super) const fn stays(&self) -> (Duration, usize) {
        (self.idle, self.core)
    }
}

/// The size as it stands.
#[derive(Clone, Debug)]
pub(super) struct Size {
    elastic: Elastic,
    size: usize,
    /// No growth before this.
    grows_from: Duration,
    /// As many as were busy when it was last looked at.
    busy: usize,
    /// The most that were busy at once since `idle_from`.
    busiest: usize,
    idle_from: Duration,
}

impl Size {
    pub(super) fn new(elastic: Elastic) -> Self {
        Self {
            elastic,
            size: elastic.core,
            grows_from: Duration::ZERO,
            busy: 0,
            busiest: 0,
            idle_from: Duration::ZERO,
        }
    }

    pub(super) fn get(&self) -> usize {
        self.size
    }

    /// So many are busy from now on, and a job waits, or waited, for so long. The size
    /// from now on. To be told of each job that starts or ends.
    pub(super) fn sample(&mut self, now: Duration, delay: Duration, busy: usize) -> usize {
        let Elastic {
            most, target, pace, ..
        } = self.elastic;
        self.shrink(now, delay);
        self.busy = busy;
        self.busiest = self.busiest.max(busy);
        if delay > target && busy >= self.size && now >= self.grows_from && self.size < most {
            self.size += 1;
            self.grows_from = now.saturating_add(pace);
            (self.busiest, self.idle_from) = (self.size, now);
        }
        self.size
    }

    /// By one for each stretch that has passed, however late it is looked at.
    fn shrink(&mut self, now: Duration, delay: Duration) {
        let Elastic {
            core, target, idle, ..
        } = self.elastic;
        let passed = now.saturating_sub(self.idle_from).as_nanos();
        let stretches = passed / idle.as_nanos().max(1);
        if stretches == 0 {
            return;
        }
        if delay <= target {
            // What happened, happened in the first; then those that were busy still were.
            let first = self.size.saturating_sub(core.max(self.busiest)).min(1);
            let later = usize::try_from(stretches - 1).unwrap_or(usize::MAX);
            self.size -= first;
            self.size -= later.min(self.size.saturating_sub(core.max(self.busy)));
        }
        (self.busiest, self.idle_from) = (self.busy, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn size() -> Size {
        Size::new(Elastic::new(2, 8))
    }

    #[test]
    fn delay_adds_workers_at_the_pace() {
        let mut size = size();
        let sizes: Vec<_> = (0..=30)
            .map(|at| {
                let busy = size.get();
                size.sample(at * MS, 20 * MS, busy)
            })
            .collect();
        assert_eq!((sizes[0], sizes[9], sizes[10], sizes[30]), (3, 3, 4, 6));
    }

    #[test]
    fn a_size_has_an_end() {
        let mut size = size();
        for at in 0..1000 {
            let busy = size.get();
            size.sample(at * MS, 20 * MS, busy);
        }
        assert_eq!(size.get(), 8);
    }

    #[test]
    fn delay_adds_no_one_while_some_are_idle() {
        let mut size = size();
        assert_eq!(size.sample(MS, 20 * MS, 1), 2);
    }

    #[test]
    fn what_was_not_needed_goes_one_by_one_down_to_the_core() {
        let mut size = size();
        for at in 0..1000 {
            let busy = size.get();
            size.sample(at * MS, 20 * MS, busy);
        }
        let seconds = |s| Duration::from_secs(s);
        let sizes: Vec<_> = (2..200).map(|s| size.sample(seconds(s), MS, 1)).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b && a - b <= 1));
        assert_eq!(sizes.last(), Some(&2));
    }

    #[test]
    fn a_load_that_needs_all_keeps_all() {
        let mut size = size();
        for at in 0..1000 {
            let busy = size.get();
            size.sample(at * MS, 20 * MS, busy);
        }
        for s in 2..200 {
            // All busy for a moment, now and then.
            let busy = if s % 7 == 0 { 8 } else { 1 };
            size.sample(Duration::from_secs(s), MS, busy);
        }
        assert_eq!(size.get(), 8);
    }

    /// Of 2 to 8, as large as it can be by now.
    fn grown(now: Duration) -> Size {
        let mut size = size();
        size.elastic = size.elastic.pace(Duration::ZERO);
        for busy in 2..=8 {
            size.sample(now, 20 * MS, busy);
        }
        assert_eq!(size.get(), 8);
        size
    }

    #[test]
    fn a_size_that_nobody_looked_at_has_shrunk_by_then() {
        let seconds = |s| Duration::from_secs(s);
        for (after, left) in [(9, 8), (21, 7), (31, 6), (41, 5), (1000, 2)] {
            let mut size = grown(MS);
            size.sample(2 * MS, Duration::ZERO, 0);
            assert_eq!(size.sample(seconds(after), Duration::ZERO, 1), left);
        }
    }

    #[test]
    fn what_is_busy_all_along_stays() {
        let mut size = grown(MS);
        size.sample(2 * MS, Duration::ZERO, 5);
        let later = Duration::from_secs(1000);
        assert_eq!(size.sample(later, Duration::ZERO, 4), 5);
    }

    #[test]
    fn never_is_never() {
        let elastic = Elastic::new(1, 8);
        let forever = Duration::MAX;
        let mut small = Size::new(elastic.target(forever));
        let mut slow = Size::new(elastic.pace(forever));
        let mut large = Size::new(elastic.pace(Duration::ZERO).idle(forever));
        for at in 0..10 {
            for size in [&mut small, &mut slow, &mut large] {
                let busy = size.get();
                size.sample(at * MS, 20 * MS, busy);
            }
        }
        large.sample(Duration::MAX - MS, Duration::ZERO, 0);
        assert_eq!([small.get(), slow.get(), large.get()], [1, 2, 8]);
    }
}
