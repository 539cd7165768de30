//! The clock behind every figure: nanoseconds as `u64` since the pool began.

use std::time::Instant;

/// Stamps are comparable only within one clock. A clock that stands still is
/// never looked at: all its stamps are 0.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    epoch: Option<Instant>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            epoch: Some(Instant::now()),
        }
    }

    pub(crate) fn standing_still() -> Self {
        Self { epoch: None }
    }

    /// Nanoseconds since the start; 584 years fit.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let Some(epoch) = self.epoch else { return 0 };
        let elapsed = epoch.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }
}
