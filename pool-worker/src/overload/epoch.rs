//! The time of a desk.

use std::time::{Duration, Instant};

/// When a desk was made; its times are counted from there.
pub(super) struct Epoch {
    began: Instant,
    /// In nanoseconds, where a simulation tells the time.
    #[cfg(test)]
    told: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Epoch {
    pub(super) fn begins() -> Self {
        Self {
            began: Instant::now(),
            #[cfg(test)]
            told: None,
        }
    }

    #[cfg(test)]
    pub(super) fn is_told(
        began: Instant,
        told: std::sync::Arc<std::sync::atomic::AtomicU64>,
    ) -> Self {
        Self {
            began,
            told: Some(told),
        }
    }

    pub(super) fn now(&self) -> Duration {
        #[cfg(test)]
        if let Some(told) = &self.told {
            return Duration::from_nanos(told.load(std::sync::atomic::Ordering::Relaxed));
        }
        self.began.elapsed()
    }

    /// This moment; what was before the epoch counts as its beginning.
    pub(super) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.began)
    }

    /// The moment that [`at`](Self::at) was told of.
    pub(super) fn moment(&self, at: Duration) -> Instant {
        self.began + at
    }
}
