//! The admission of DAGOR as it stands.

use std::time::Duration;

use super::dagor::{Dagor, LEVELS, Level};

/// What came, what was let in, and how long that waited, in one window.
#[derive(Debug)]
pub(super) struct Gate {
    dagor: Dagor,
    /// Less urgent jobs are refused.
    level: Level,
    came: Box<[u32; LEVELS]>,
    began: Duration,
    came_in_all: u32,
    admitted: u32,
    ran: u32,
    left: u32,
    waited: Duration,
    /// Jobs a second that were run while it was too much, of late.
    bears: f64,
    /// Jobs a second of each level, in the last window that told: of a level that is not
    /// let in none may come, as its callers know.
    asks: Box<[f32; LEVELS]>,
    /// What part of those that are not let in, and do not come, surely is there: less
    /// with each window in which they might be gone.
    remains: f64,
}

impl Gate {
    pub(super) fn new(dagor: Dagor) -> Self {
        Self {
            dagor,
            level: Level::ALL,
            came: Box::new([0; LEVELS]),
            began: Duration::ZERO,
            came_in_all: 0,
            admitted: 0,
            ran: 0,
            left: 0,
            waited: Duration::ZERO,
            bears: 0.0,
            asks: Box::new([0.0; LEVELS]),
            remains: 1.0,
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// When this window ends, unless enough jobs come before.
    pub(super) fn turns_at(&self) -> Duration {
        self.began.saturating_add(self.dagor.window)
    }

    /// A job comes now, while others have stood for so long. Whether it is let in.
    pub(super) fn admits(&mut self, now: Duration, level: Level, stands: Duration) -> bool {
        self.pass(now, stands);
        self.came[usize::from(level.0)] += 1;
        self.came_in_all += 1;
        let admits = level <= self.level;
        self.admitted += u32::from(admits);
        admits
    }

    /// A job left the queue after this delay, to be run or not.
    pub(super) fn waited(&mut self, delay: Duration, runs: bool) {
        self.left += 1;
        self.ran += u32::from(runs);
        self.waited = self.waited.saturating_add(delay);
    }

    /// Ends the windows that are over by now: the one in which jobs came, and those since
    /// then in which none did.
    pub(super) fn pass(&mut self, now: Duration, stands: Duration) {
        let Dagor { window, jobs, .. } = self.dagor;
        let passed = now.saturating_sub(self.began);
        if passed < window && self.came_in_all < jobs {
            return;
        }
        self.turn(window.min(passed), passed, stands);
        let mut idle = passed.as_nanos() / window.as_nanos().max(1);
        // Where jobs stand, the level does in all of them.
        while idle > 1 && self.level < Level::ALL && stands <= self.dagor.threshold {
            self.turn(window, window, stands);
            idle -= 1;
        }
        self.began = now;
    }

    /// Sets the level by what the window was, which had this length; it is looked at when
    /// so much has passed.
    fn turn(&mut self, length: Duration, passed: Duration, stands: Duration) {
        let seconds = |time: Duration| time.as_secs_f64().max(1e-9);
        let length = seconds(length);
        let overloaded = self.is_overloaded(stands);
        let refused = self.remember(length, overloaded);
        let admitted = f64::from(self.admitted);
        if overloaded {
            // The most of late: where a window has the rest of a rush, little is run.
            let runs = f64::from(self.ran) / seconds(passed);
            self.bears = runs.max(0.9 * self.bears);
            self.lower();
        } else if admitted + self.remains * refused <= 0.75 * self.bears * length {
            // All of it could be borne; the quarter is for what comes in bursts.
            self.level = Level::ALL;
        } else {
            let more = ((admitted + refused) / 100.0).ceil();
            self.raise(admitted, more, length);
        }
        self.came.fill(0);
        (self.came_in_all, self.admitted) = (0, 0);
        (self.ran, self.left, self.waited) = (0, 0, Duration::ZERO);
    }

    /// Notes who asks in a window of this length. How many there are that are not let in,
    /// whether they came or not.
    fn remember(&mut self, length: f64, overloaded: bool) -> f64 {
        let first_refused = usize::from(self.level.0) + 1;
        let refused = f64::from(self.came_in_all - self.admitted);
        let expected: f32 = self.asks[first_refused..].iter().sum();
        let expected = f64::from(expected) * length;
        // Those who have yet to hear of the level are few. Who does not heed it at all
        // tells how many there are.
        let tells = refused >= expected / 4.0;
        let told = if tells { LEVELS } else { first_refused };
        for (asks, came) in self.asks.iter_mut().zip(&*self.came).take(told) {
            *asks = (f64::from(*came) / length) as f32;
        }
        self.remains = match tells || overloaded {
            true => 1.0,
            false => 0.9 * self.remains,
        };
        if tells { refused } else { expected }
    }

    /// Lets in 5 % fewer than there were.
    fn lower(&mut self) {
        let mut expected = self.admitted;
        let wanted = self.admitted - self.admitted.div_ceil(20);
        while expected > wanted && self.level > Level(0) {
            expected -= self.came[usize::from(self.level.0)].min(expected);
            self.level.0 -= 1;
        }
    }

    /// Lets in so many more than were in a window of this length, and one at the least.
    fn raise(&mut self, admitted: f64, more: f64, length: f64) {
        let wanted = admitted + more.max(1.0);
        let mut expected = admitted;
        // To the nearest job.
        while wanted - expected > 0.5 && self.level < Level::ALL {
            self.level.0 += 1;
            expected += f64::from(self.asks[usize::from(self.level.0)]) * length;
        }
    }

    /// By the average; what stands in the queue for longer counts too, for where all
    /// workers stall nothing leaves that could tell.
    fn is_overloaded(&self, stands: Duration) -> bool {
        let Dagor { threshold, .. } = self.dagor;
        let (waited, jobs) = if stands > threshold {
            (self.waited.saturating_add(stands), self.left + 1)
        } else {
            (self.waited, self.left)
        };
        waited > threshold.saturating_mul(jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A window of 1,000 jobs of priorities 0 to 9, which wait that long. How many
    /// are let in.
    fn window(gate: &mut Gate, delay: Duration) -> usize {
        let admitted = (0..1000).filter(|&job| {
            let level = Level::of((job % 10) as u8, job / 10);
            let admits = gate.admits(Duration::ZERO, level, Duration::ZERO);
            if admits {
                gate.waited(delay, true);
            }
            admits
        });
        admitted.count()
    }

    fn gate() -> Gate {
        Gate::new(Dagor::new(20 * MS).window(Duration::from_secs(1), 1000))
    }

    fn admits(gate: &mut Gate, business: u8, user: u64) -> bool {
        gate.admits(Duration::ZERO, Level::of(business, user), Duration::ZERO)
    }

    #[test]
    fn all_is_let_in_while_nothing_waits() {
        let mut gate = gate();
        assert!((0..10).all(|_| window(&mut gate, MS) == 1000));
        assert_eq!(gate.level(), Level::ALL);
    }

    #[test]
    fn overload_lets_in_a_twentieth_less_each_window_the_least_urgent_first() {
        let mut gate = gate();
        window(&mut gate, 50 * MS);
        let admitted: Vec<_> = (0..3).map(|_| window(&mut gate, 50 * MS)).collect();
        assert_eq!(admitted, [950, 902, 856]);
        assert!(admits(&mut gate, 7, 127));
        assert!(!admits(&mut gate, 9, 127));
    }

    #[test]
    fn recovery_lets_in_a_hundredth_more_each_window() {
        let mut gate = gate();
        (0..5).for_each(|_| _ = window(&mut gate, 50 * MS));
        let before = window(&mut gate, MS);
        assert_eq!(window(&mut gate, MS), before + 10);
        (0..200).for_each(|_| _ = window(&mut gate, MS));
        assert_eq!(gate.level(), Level::ALL);
    }

    #[test]
    fn the_most_urgent_are_let_in_whatever_happens() {
        let mut gate = gate();
        (0..300).for_each(|_| _ = window(&mut gate, 50 * MS));
        assert!(admits(&mut gate, 0, 0));
    }

    #[test]
    fn a_window_ends_with_its_time_too() {
        let mut gate = gate();
        admits(&mut gate, 1, 1);
        gate.waited(50 * MS, true);
        gate.admits(Duration::from_secs(1), Level::of(0, 0), Duration::ZERO);
        assert!(gate.level() < Level::of(1, 1));
    }

    #[test]
    fn the_level_falls_while_workers_are_stalled() {
        let mut gate = gate();
        for second in 0..5 {
            let stands = Duration::from_secs(second);
            for user in 0..100 {
                gate.admits(stands, Level::of(5, user), stands);
            }
        }
        assert!(gate.level() < Level::of(5, 99), "{:?}", gate.level());
    }

    /// Windows of a second in which so many come, of all priorities, and so many of them
    /// are run, after this delay.
    fn seconds(gate: &mut Gate, from: u64, came: u64, ran: u64, delay: Duration) {
        for second in from..from + 5 {
            let now = Duration::from_secs(second);
            for nth in 0..came {
                let level = Level::of((nth * 64 / came) as u8, nth);
                gate.admits(now, level, Duration::ZERO);
                if nth < ran {
                    gate.waited(delay, true);
                }
            }
        }
    }

    #[test]
    fn all_are_let_in_once_no_more_comes_than_was_borne() {
        for (comes, opens) in [(50, true), (90, false)] {
            let mut gate = gate();
            seconds(&mut gate, 0, 200, 100, 50 * MS);
            assert!(gate.level() < Level::ALL);
            seconds(&mut gate, 5, comes, 50, MS);
            assert_eq!(gate.level() == Level::ALL, opens, "{comes}");
        }
    }

    #[test]
    fn never_is_never() {
        let mut calm = Gate::new(Dagor::new(Duration::MAX).window(MS, 1));
        let mut still = Gate::new(Dagor::new(MS).window(Duration::MAX, u32::MAX));
        for at in 0..1000 {
            for gate in [&mut calm, &mut still] {
                assert!(gate.admits(at * MS, Level::ALL, Duration::MAX));
                gate.waited(Duration::MAX, true);
            }
        }
    }

    /// A window of a second to which 2,000 come of priorities 0 to 9, but for those that
    /// heed the level, and wait that long. How many come.
    fn heeded(gate: &mut Gate, second: u64, delay: Duration) -> usize {
        let now = Duration::from_secs(second);
        gate.pass(now, Duration::ZERO);
        let come = (0..2000).filter(|&job| {
            let level = Level::of((job % 10) as u8, job / 10);
            let comes = level <= gate.level();
            if comes {
                assert!(gate.admits(now, level, Duration::ZERO));
                gate.waited(delay, true);
            }
            comes
        });
        come.count()
    }

    #[test]
    fn callers_who_heed_the_level_come_again_as_fast_as_those_who_ask() {
        let mut gate = Gate::new(Dagor::new(20 * MS).window(Duration::from_secs(1), 5000));
        let came: Vec<_> = (0..40)
            .map(|second| heeded(&mut gate, second, 50 * MS))
            .collect();
        assert!(came.is_sorted_by(|a, b| a > b || *b < 30), "{came:?}");
        assert!(came[39] < 400, "{came:?}");
        // As much as was borne: a hundredth of all there are, window by window.
        let mut came = vec![came[39]];
        for second in 40..130 {
            came.push(heeded(&mut gate, second, MS));
        }
        let rises = came[1..].windows(2).map(|two| two[1] - two[0]);
        assert!(
            rises.clone().take(50).all(|rise| (1..50).contains(&rise)),
            "{came:?}"
        );
        assert_eq!(came.last(), Some(&2000));
    }

    #[test]
    fn the_level_rises_as_windows_pass_in_which_nobody_comes() {
        let level_after = |idle: u64| {
            let mut gate = gate();
            seconds(&mut gate, 0, 200, 20, 50 * MS);
            gate.pass(Duration::from_secs(5 + idle), Duration::ZERO);
            gate.level()
        };
        let levels = [0, 2, 1000].map(level_after);
        assert!(levels.is_sorted_by(|a, b| a < b), "{levels:?}");
        assert_eq!(levels[2], Level::ALL);
    }

    #[test]
    fn the_level_stays_while_jobs_stand_though_nobody_comes() {
        let mut gate = gate();
        seconds(&mut gate, 0, 200, 100, 50 * MS);
        gate.pass(Duration::from_secs(5), Duration::ZERO);
        let level = gate.level();
        gate.pass(Duration::from_secs(1000), Duration::from_secs(1));
        assert_eq!(gate.level(), level);
    }
}
