//! Which priorities are let in.

use std::time::Duration;

use super::class::PRIORITIES as BUSINESS;

/// How many users of one priority are told apart.
const USERS: usize = 128;
pub(super) const LEVELS: usize = BUSINESS * USERS;

/// Admission by priority, as DAGOR has it (Zhou et al., *Overload Control for
/// Scaling WeChat Microservices*, 2018): while jobs of a window waited longer than
/// the threshold on average, 5 % fewer are let in, those of least priority first;
/// while they did not, 1 % of what came more. All are let in once no more comes than
/// three quarters of what was run while it was too much.
///
/// Callers may heed the level and not ask. So those who are not let in are taken to be as
/// many as when they last came, for the 1 %, and for letting in all of them a tenth fewer
/// with each window that might tell that they are gone. So the level rises while only
/// those come who are let in, and, as windows pass, while nobody does.
///
/// A priority is that of the business and, among equals, a hash of the user: so the
/// same users are let in for as long as the level stands, and finish what they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dagor {
    pub(super) threshold: Duration,
    pub(super) window: Duration,
    pub(super) jobs: u32,
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
pub struct Level(pub(super) u16);

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
