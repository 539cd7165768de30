//! When a node that failed is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// So many more attempts, each after a pause that doubles, with jitter: a random
/// part of the pause on top, so that those who failed together do not come back
/// together.
#[derive(Debug, Clone, Copy)]
pub struct Retry(ExponentialBuilder);

impl Retry {
    /// At most so many attempts after the first; the first pause is 100 ms, the
    /// longest 10 s, unless set.
    pub fn times(times: usize) -> Self {
        Self(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(100))
                .with_max_delay(Duration::from_secs(10))
                .with_max_times(times)
                .with_jitter(),
        )
    }

    /// Sets the first pause and the longest.
    pub fn pause(self, first: Duration, longest: Duration) -> Self {
        Self(self.0.with_min_delay(first).with_max_delay(longest))
    }

    /// Sets by what the pause grows from attempt to attempt; 1.0 keeps it.
    pub fn factor(self, factor: f32) -> Self {
        Self(self.0.with_factor(factor))
    }

    pub(super) fn pauses(self) -> ExponentialBackoff {
        self.0.build()
    }
}
