//! Which priorities are let in.

use std::time::Duration;

use super::class::PRIORITIES as BUSINESS;

/// How many users of one priority are told apart.
const USERS: usize = 128;
const LEVELS: usize = BUSINESS * USERS;

/// Admission by priority, as DAGOR has it (Zhou et al., *Overload Control for
/// Scaling WeChat Microservices*, 2018): while jobs of a window waited longer than
/// the threshold on average, 5 % fewer are let in, those of least priority first;
/// while they did not, 1 % of what came more. All are let in once no more comes than
/// three quarters of what was run while it was too much.
///
/// A priority is that of the business and, among equals, a hash of the user: so the
/// same users are let in for as long as the level stands, and finish what they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dagor {
    threshold: Duration,
    window: Duration,
    jobs: u32,
}

impl Default for Dagor {
    /// 20 ms, in windows of a second or 2,000 jobs.
    fn default() -> Self {
        Self::new(Duration::from_millis(20))
    }
}

impl Dagor {
    /// The delay that jobs may have on average, in windows of a second or 2,000
    /// jobs, whichever ends first.
    #[must_use]
    pub const fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            window: Duration::from_secs(1),
            jobs: 2000,
        }
    }

    /// Windows that end after this time, or so many jobs.
    #[must_use]
    pub const fn window(mut self, window: Duration, jobs: u32) -> Self {
        self.window = window;
        self.jobs = jobs;
        self
    }
}

/// A priority as it is admitted: that of the business first, then the user.
///
/// The least is the most urgent. What is above a pool's level is refused, so a caller
/// that was told the level need not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u16);

impl Level {
    /// Nothing is refused.
    pub const ALL: Self = Self(LEVELS as u16 - 1);

    /// That of a job: the priority of its business, 0 to 63 from the most urgent
    /// on (what is more counts as 63), and any hash of its user.
    #[must_use]
    pub const fn of(business: u8, user: u64) -> Self {
        let business = if business as usize >= BUSINESS {
            BUSINESS - 1
        } else {
            business as usize
        };
        Self((business * USERS + (user % USERS as u64) as usize) as u16)
    }

    /// The priority of the business.
    #[must_use]
    pub const fn business(self) -> u8 {
        (self.0 as usize / USERS) as u8
    }

    /// As a number, to be passed upstream: to callers, who then refuse by themselves
    /// what would be refused here.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// From its [number](Self::number); one that is none counts as [`ALL`](Self::ALL).
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        if number < Self::ALL.0 {
            Self(number)
        } else {
            Self::ALL
        }
    }
}

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
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// A job comes now, while others have stood for so long. Whether it is let in.
    pub(super) fn admits(&mut self, now: Duration, level: Level, stands: Duration) -> bool {
        let ends = self.began.saturating_add(self.dagor.window);
        if now >= ends || self.came_in_all >= self.dagor.jobs {
            self.turn(now, stands);
        }
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

    /// Sets the level by what the window was.
    fn turn(&mut self, now: Duration, stands: Duration) {
        let mut expected = self.admitted;
        let a_second = 1.0 / now.saturating_sub(self.began).as_secs_f64().max(1e-9);
        if self.is_overloaded(stands) {
            // The most of late: where a window has the rest of a rush, little is run.
            self.bears = (0.9 * self.bears).max(f64::from(self.ran) * a_second);
            let wanted = self.admitted - self.admitted.div_ceil(20);
            while expected > wanted && self.level > Level(0) {
                expected -= self.came[usize::from(self.level.0)].min(expected);
                self.level.0 -= 1;
            }
        } else if f64::from(self.came_in_all) * a_second <= 0.75 * self.bears {
            // All of it could be borne; the quarter is for what comes in bursts.
            self.level = Level::ALL;
        } else {
            let wanted = self.admitted + self.came_in_all.div_ceil(100);
            while expected < wanted && self.level < Level::ALL {
                self.level.0 += 1;
                expected += self.came[usize::from(self.level.0)];
            }
        }
        self.came.fill(0);
        (self.came_in_all, self.admitted) = (0, 0);
        (self.ran, self.left, self.waited) = (0, 0, Duration::ZERO);
        self.began = now;
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
        gate.admits(Duration::from_secs(2), Level::of(0, 0), Duration::ZERO);
        assert!(gate.level() < Level::of(1, 1));
    }

    #[test]
    fn a_level_goes_upstream_and_comes_back() {
        for level in [Level::of(0, 0), Level::of(7, 99), Level::ALL] {
            assert_eq!(Level::from_number(level.number()), level);
        }
        assert_eq!(Level::from_number(u16::MAX), Level::ALL);
    }

    #[test]
    fn a_user_s_jobs_share_a_level() {
        assert_eq!(Level::of(3, 5), Level::of(3, 5 + USERS as u64));
        assert_eq!(Level::of(200, 0).business(), 63);
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
}
