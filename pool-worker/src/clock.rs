//! The clock behind every figure: nanoseconds as `u64` since the pool began.

use std::time::Instant;

/// Stamps are comparable only within one clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Nanoseconds since the start; 584 years fit.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let elapsed = self.epoch.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }
}
