//! When to trim without being told, and without a thread for it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// After so many refusals it is asked whether unused objects should make way.
pub(crate) const REFUSALS: usize = 64;

/// The least time between trims that refusals bring about, unless the pool says
/// otherwise: what two of them find unused has been idle for that long.
pub(crate) const PRESSURE_PERIOD: Duration = Duration::from_secs(1);

/// Remembers the last trim. Asked now and then by threads that use the pool, off their
/// fast path.
#[derive(Debug)]
pub(crate) struct Ageing {
    period: Option<Duration>,
    last: Mutex<Option<Instant>>,
}

impl Ageing {
    pub(crate) const fn new(period: Option<Duration>) -> Self {
        Self {
            period,
            last: Mutex::new(None),
        }
    }

    /// Whether the period set has passed since the last trim; if so, one is taken to
    /// follow. Nothing is asked of the clock if there is none.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.period.is_some_and(|period| self.is_over(period))
    }

    /// Starts the clock anew, for a trim by hand.
    pub(crate) fn restart(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// As [`is_due`](Self::is_due), of any period. The first time starts the clock.
    #[cold]
    pub(crate) fn is_over(&self, period: Duration) -> bool {
        self.is_over_after(period, false)
    }

    /// As [`is_over`](Self::is_over); the first time it is.
    #[cfg(feature = "bytes")]
    #[cold]
    pub(crate) fn is_over_or_new(&self, period: Duration) -> bool {
        self.is_over_after(period, true)
    }

    fn is_over_after(&self, period: Duration, none: bool) -> bool {
        // Whoever holds the lock asks the same.
        let Ok(mut last) = self.last.try_lock() else {
            return false;
        };
        let now = Instant::now();
        let over = last.map_or(none, |last| now.duration_since(last) >= period);
        if over || last.is_none() {
            *last = Some(now);
        }
        over
    }
}
