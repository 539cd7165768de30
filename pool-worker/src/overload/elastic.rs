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
    /// is 5 ms, growth is by a worker every 10 ms, and shrinking by one for every
    /// 10 s in which it was not needed.
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
}

impl Elastic {
    /// To begin with, and at most.
    pub(super) const fn sizes(&self) -> (usize, usize) {
        (self.core, self.most)
    }
}

/// The size as it stands.
#[derive(Clone, Debug)]
pub(super) struct Size {
    elastic: Elastic,
    size: usize,
    /// No growth before this.
    grows_from: Duration,
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
            busiest: 0,
            idle_from: Duration::ZERO,
        }
    }

    pub(super) fn get(&self) -> usize {
        self.size
    }

    /// A job started now, after this delay, as one of so many. The size from now on.
    pub(super) fn sample(&mut self, now: Duration, delay: Duration, busy: usize) -> usize {
        let Elastic {
            core,
            most,
            target,
            pace,
            idle,
        } = self.elastic;
        self.busiest = self.busiest.max(busy);
        if delay > target && busy >= self.size && now >= self.grows_from && self.size < most {
            self.size += 1;
            self.grows_from = now + pace;
            (self.busiest, self.idle_from) = (self.size, now);
        } else if now >= self.idle_from + idle {
            if self.busiest < self.size && self.size > core && delay <= target {
                self.size -= 1;
            }
            (self.busiest, self.idle_from) = (busy, now);
        }
        self.size
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
}
