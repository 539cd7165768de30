//! How long things took lately, beside since the start.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::latency::Counts;

/// What was recorded within so long, up to an eighth more, is recent.
pub(super) const LENGTH: Duration = Duration::from_secs(10);
/// Marks in a window.
const MARKS: u32 = 8;

/// Tells what a histogram has recorded lately by marks that it makes as it is read,
/// so that recording costs nothing more. All who look share them: where one looks more
/// seldom than every [`LENGTH`], it is told of all since the last look of anyone.
#[derive(Default)]
pub(super) struct Window {
    /// In order of time; the first is where the window begins.
    marks: Mutex<VecDeque<Mark>>,
}

struct Mark {
    at: Instant,
    counts: Counts,
}

impl Window {
    /// What was recorded lately, of what is recorded at `now`.
    pub(super) fn read(&self, now: Instant, counts: &Counts) -> Counts {
        let mut marks = self.marks.lock();
        let age = |mark: &Mark| now.saturating_duration_since(mark.at);
        // The youngest of those that are old enough.
        while marks.get(1).is_some_and(|mark| age(mark) >= LENGTH) {
            marks.pop_front();
        }
        let recent = match marks.front() {
            Some(begin) => counts.since(&begin.counts),
            None => counts.clone(),
        };
        // Nobody has looked for long: who looks again soon is not told of that time.
        if marks.front().is_some_and(|begin| age(begin) >= 2 * LENGTH) {
            marks.clear();
        }
        if marks.back().is_none_or(|last| age(last) >= LENGTH / MARKS) {
            marks.push_back(Mark {
                at: now,
                counts: counts.clone(),
            });
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::super::latency::Latency;
    use super::*;

    /// Reads at these seconds, having recorded one more just before each.
    fn counts_at(seconds: &[u64]) -> Vec<u64> {
        let (latency, window, start) = (Latency::new(), Window::default(), Instant::now());
        let read = |second: &u64| {
            latency.record(Duration::from_micros(second + 1));
            let at = start + Duration::from_secs(*second);
            window.read(at, &latency.counts()).snapshot().count
        };
        seconds.iter().map(read).collect()
    }

    #[test]
    fn what_is_older_than_the_window_is_no_longer_told() {
        let seconds: Vec<_> = (0..=40).collect();
        let counts = counts_at(&seconds);
        assert_eq!(counts[..5], [1, 1, 2, 3, 4]);
        // Marks are two seconds apart here: the window is ten or eleven long.
        let late = &counts[15..];
        assert!(
            late.iter().all(|count| (10..=11).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn after_a_long_pause_the_window_begins_anew() {
        assert_eq!(counts_at(&[0, 3600, 3601, 3602, 3603]), [1, 1, 1, 2, 3]);
    }

    #[test]
    fn quantiles_are_those_of_the_window() {
        let (latency, window, start) = (Latency::new(), Window::default(), Instant::now());
        let millisecond = Duration::from_millis(1);
        (0..100).for_each(|_| latency.record(1000 * millisecond));
        window.read(start, &latency.counts());
        (0..100).for_each(|_| latency.record(millisecond));
        let recent = window
            .read(start + millisecond, &latency.counts())
            .snapshot();
        assert_eq!(recent.count, 100);
        for told in [recent.p50, recent.p99, recent.max] {
            assert!(
                (millisecond..=millisecond + millisecond / 8).contains(&told),
                "{recent:?}"
            );
        }
        assert_eq!(latency.snapshot().max, 1000 * millisecond);
    }
}
