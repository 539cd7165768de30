//! When a node that failed is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// So many more attempts, each after a pause that grows, with jitter: a pause is drawn
/// at random, for each node and run anew, between half its nominal length and the whole,
/// so that those who failed together do not come back together.
///
/// The nominal length is `first` before the second attempt, and from there on
/// [`factor`](Self::factor) times the one before, `longest` at most.
///
/// A node that pauses keeps its place of the flow's [`limit`](super::Flow::limit).
/// Pauses need a runtime with time enabled.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    first: Duration,
    longest: Duration,
    factor: f32,
    times: usize,
}

impl Retry {
    /// At most so many attempts after the first; the first pause is 100 ms, the
    /// longest 10 s, and each twice the one before, unless set.
    pub fn times(times: usize) -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            factor: 2.0,
            times,
        }
    }

    /// Sets the first pause and the longest, before the jitter, which only makes them
    /// shorter. No pause is longer than `longest`, though `first` be.
    pub fn pause(self, first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            ..self
        }
    }

    /// Sets by what the pause grows from attempt to attempt; 1.0 keeps it.
    pub fn factor(self, factor: f32) -> Self {
        Self { factor, ..self }
    }

    pub(super) fn pauses(self) -> ExponentialBackoff {
        // The jitter comes on top and is as much again at most, so halves are given.
        ExponentialBuilder::new()
            .with_min_delay(self.first.min(self.longest) / 2)
            .with_max_delay(self.longest / 2)
            .with_factor(self.factor)
            .with_max_times(self.times)
            .with_jitter()
            .build()
    }
}
