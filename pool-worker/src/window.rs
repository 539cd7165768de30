//! How long jobs waited lately, beside since the pool was built.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::any_pool::Core;
use crate::delay_snapshot::DelaySnapshot;
use crate::histogram::Merged;

/// What a [`Window`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recent {
    /// The time that it is about: the length of the window, and up to an eighth
    /// more, or longer when it was not read for longer; less while it is young.
    pub over: Duration,
    /// How long submitters were blocked.
    pub blocked: DelaySnapshot,
    /// From accepted to started.
    pub delay: DelaySnapshot,
    /// From started to ended.
    pub run_time: DelaySnapshot,
}

/// The delays of a pool over a sliding window, beside those since it was built:
/// what a dashboard or a control loop looks at.
///
/// It belongs to who reads it, and keeps what was recorded by the marks it made
/// as it was read, eight to a window. So it costs no job anything, several
/// readers can have each its own length, and where nobody reads, nothing is
/// done. It outlives the pool, and keeps the function of the pool alive.
///
/// ```
/// use pool_worker::threads::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(2);
/// let mut last_minute = pool.window(Duration::from_secs(60));
/// pool.submit(|| ())?;
/// pool.wait_idle();
/// let recent = last_minute.read();
/// println!("p99 of {:?}: {:?}", recent.over, recent.delay.p99);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Window {
    pool: Box<dyn Core>,
    length: Duration,
    /// In order of time; the first is where the window begins.
    marks: VecDeque<Mark>,
}

struct Mark {
    at: Instant,
    recorded: [Merged; 3],
}

/// Marks in a window.
const MARKS: u32 = 8;

impl Window {
    pub(crate) fn new(pool: Box<dyn Core>, length: Duration) -> Self {
        Self::beginning_at(Instant::now(), pool, length)
    }

    fn beginning_at(at: Instant, pool: Box<dyn Core>, length: Duration) -> Self {
        let recorded = pool.recorded();
        Self {
            pool,
            length,
            marks: VecDeque::from([Mark { at, recorded }]),
        }
    }

    /// The delays recorded within the window, up to now.
    pub fn read(&mut self) -> Recent {
        self.read_at(Instant::now())
    }

    fn read_at(&mut self, now: Instant) -> Recent {
        let age = |mark: &Mark| now.saturating_duration_since(mark.at);
        // The youngest of those that are old enough.
        while self
            .marks
            .get(1)
            .is_some_and(|mark| age(mark) >= self.length)
        {
            self.marks.pop_front();
        }
        let recorded = self.pool.recorded();
        let begin = &self.marks[0];
        let tick = self.pool.tick();
        let since = |which: usize| recorded[which].since(&begin.recorded[which]).snapshot(tick);
        let recent = Recent {
            over: age(begin),
            blocked: since(0),
            delay: since(1),
            run_time: since(2),
        };
        if age(&self.marks[self.marks.len() - 1]) >= self.length / MARKS {
            self.marks.push_back(Mark { at: now, recorded });
        }
        recent
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("pool", &self.pool.name())
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom_models)))]
mod tests {
    use super::*;
    use crate::any_pool::AnyPool;
    use crate::threads::Pool;

    #[test]
    fn what_is_older_than_the_window_is_not_told() {
        let pool = Pool::new(1);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut window = Window::beginning_at(begin, pool.keep(), Duration::from_secs(8));
        let mut counts = Vec::new();
        for second in 1..=20 {
            // Two jobs in each of the first ten seconds, then none.
            for _ in 0..if second <= 10 { 2 } else { 0 } {
                pool.submit(|| ()).unwrap();
            }
            pool.wait_idle();
            let recent = window.read_at(at(second));
            assert_eq!(recent.over, Duration::from_secs(second.min(8)));
            assert_eq!(recent.delay.count, recent.run_time.count);
            counts.push(recent.delay.count);
        }
        assert_eq!(counts[..10], [2, 4, 6, 8, 10, 12, 14, 16, 16, 16]);
        assert_eq!(counts[10..], [14, 12, 10, 8, 6, 4, 2, 0, 0, 0]);
        assert_eq!(pool.delay().count, 20);
        assert_eq!(window.read_at(at(20)).delay, DelaySnapshot::default());
        assert!(window.marks.len() <= 1 + MARKS as usize + 1);
    }
}
