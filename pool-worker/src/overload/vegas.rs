//! How many jobs something bears at once that has a limit of its own.

use std::time::Duration;

/// Jobs that a look at their run times takes in at least.
const LEAST_WINDOW: u32 = 10;
/// After so many windows the shortest run time is looked for anew.
const PROBE: u32 = 60;

/// A limit on concurrency that follows what is behind the pool, as TCP Vegas and
/// Netflix's `concurrency-limits` find it: from how much longer jobs take than when
/// they do not wait for each other, it tells how many of them queue behind. Few: the
/// limit grows. Many: it shrinks.
///
/// It looks at means over some jobs, at least [as many as run](Self::new) at once, so
/// that jobs may differ. Those that panic or are cancelled it does not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vegas {
    least: usize,
    most: usize,
}

impl Vegas {
    /// Between these limits; it begins with the least.
    ///
    /// # Panics
    /// When `least` is 0 or more than `most`.
    #[must_use]
    pub const fn new(least: usize, most: usize) -> Self {
        assert!(0 < least && least <= most, "1 <= least <= most");
        Self { least, most }
    }

    /// To begin with, and at most.
    pub(super) const fn sizes(&self) -> (usize, usize) {
        (self.least, self.most)
    }
}

/// The limit as it stands.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    vegas: Vegas,
    limit: f64,
    /// The mean run time of a window in which jobs did not wait for each other, in
    /// seconds.
    unhindered: f64,
    windows: u32,
    jobs: u32,
    took: Duration,
    /// The most that ran at once in this window.
    busiest: usize,
}

impl Limit {
    pub(super) fn new(vegas: Vegas) -> Self {
        Self {
            vegas,
            limit: vegas.least as f64,
            unhindered: f64::INFINITY,
            windows: 0,
            jobs: 0,
            took: Duration::ZERO,
            busiest: 0,
        }
    }

    pub(super) fn get(&self) -> usize {
        self.limit as usize
    }

    /// A job took so long, and ran as one of so many. The limit from now on.
    pub(super) fn sample(&mut self, took: Duration, running: usize) -> usize {
        self.jobs += 1;
        self.took = self.took.saturating_add(took);
        self.busiest = self.busiest.max(running);
        if self.jobs >= LEAST_WINDOW.max(2 * self.limit as u32) {
            self.look();
        }
        self.get()
    }

    /// Sets the limit by what the window was.
    fn look(&mut self) {
        let mean = (self.took.as_secs_f64() / f64::from(self.jobs)).max(1e-9);
        let busiest = self.busiest;
        (self.jobs, self.took, self.busiest) = (0, Duration::ZERO, 0);
        self.windows += 1;
        if self.windows.is_multiple_of(PROBE) {
            // What was short once may never be again. To see what is short now,
            // jobs must not queue behind for a window.
            self.unhindered = mean;
            self.set(self.limit / 2.0);
            return;
        }
        self.unhindered = self.unhindered.min(mean);
        // What is not used up says nothing about the limit.
        if (busiest as f64) < self.limit / 2.0 {
            return;
        }
        let queued = self.limit * (1.0 - self.unhindered / mean);
        let step = self.limit.log10().max(1.0);
        if queued <= step {
            self.set(self.limit + 6.0 * step);
        } else if queued < 3.0 * step {
            self.set(self.limit + step);
        } else if queued > 6.0 * step {
            self.set(self.limit - step);
        }
    }

    fn set(&mut self, limit: f64) {
        let (least, most) = (self.vegas.least as f64, self.vegas.most as f64);
        self.limit = limit.clamp(least, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs at the limit against something that bears so many jobs of 10 ms at
    /// once and queues the rest. The limits that it took, at the end.
    fn settle(limit: &mut Limit, borne: usize) -> Vec<usize> {
        let mut limits = Vec::new();
        for _ in 0..200_000 {
            let running = limit.get();
            let queued = running.max(borne) as f64 / borne as f64;
            limits.push(limit.sample(Duration::from_secs_f64(0.01 * queued), running));
        }
        limits.split_off(100_000)
    }

    #[test]
    fn the_limit_grows_to_what_is_borne_and_not_far_beyond() {
        for borne in [5, 20, 100] {
            let mut limits = settle(&mut Limit::new(Vegas::new(1, 10_000)), borne);
            limits.sort_unstable();
            let (median, most) = (limits[limits.len() / 2], limits[limits.len() - 1]);
            assert!(median >= borne, "{borne}: {median}");
            assert!(most <= 2 * borne + 20, "{borne}: {most}");
        }
    }

    #[test]
    fn the_limit_shrinks_when_less_is_borne() {
        let mut limit = Limit::new(Vegas::new(1, 10_000));
        settle(&mut limit, 200);
        let limits = settle(&mut limit, 20);
        assert!(
            limits.iter().all(|&limit| limit <= 60),
            "{:?}",
            limits.iter().max()
        );
    }

    #[test]
    fn the_limit_stays_while_it_is_not_used() {
        let mut limit = Limit::new(Vegas::new(8, 1000));
        for _ in 0..500 {
            limit.sample(Duration::from_millis(10), 1);
        }
        assert_eq!(limit.get(), 8);
    }

    #[test]
    fn the_limit_keeps_its_bounds() {
        let mut limit = Limit::new(Vegas::new(2, 10));
        let limits: Vec<_> = (0..100)
            .map(|_| limit.sample(Duration::from_millis(10), 10))
            .collect();
        assert_eq!(limits.iter().max(), Some(&10));
        for at in 1..2000u32 {
            limit.sample(Duration::from_millis(10 * u64::from(at)), 10);
            assert!((2..=10).contains(&limit.get()));
        }
    }
}
