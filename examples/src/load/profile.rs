//! How many calls are due: a mean rate with peaks.

use std::time::Duration;

/// The usual time from one peak to the next.
const PERIOD: Duration = Duration::from_secs(10);

/// Calls a second at most: more than anything here can send.
const MOST: f64 = 1e6;

/// Why a profile cannot be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A rate is not a number above 0.
    #[error("the rate must be above 0 calls a second")]
    NoRate,
    /// Nobody could send so many.
    #[error("the rate must be at most {MOST} calls a second, at the peaks, too")]
    TooMany,
    /// The peak is below the mean.
    #[error("the peak ({peak} calls a second) is below the mean ({mean})")]
    PeakBelowMean {
        /// The mean rate asked for.
        mean: f64,
        /// The peak rate asked for.
        peak: f64,
    },
    /// The run has no length.
    #[error("the duration must be above 0")]
    NoDuration,
}

/// A base rate and, in the middle of every period, a bump of the shape
/// `sin^2` up to the peak, as wide as the mean asked for needs it.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    base: f64,
    peak: f64,
    /// Width of the bump, as a part of the period.
    width: f64,
    period: f64,
    duration: f64,
}

impl Profile {
    /// A profile of `mean` and `peak` calls a second over `duration`.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn new(mean: f64, peak: f64, duration: Duration) -> Result<Self, ProfileError> {
        if !(mean > 0.0 && mean.is_finite() && peak.is_finite()) {
            return Err(ProfileError::NoRate);
        }
        if peak > MOST {
            return Err(ProfileError::TooMany);
        }
        if peak < mean {
            return Err(ProfileError::PeakBelowMean { mean, peak });
        }
        if duration.is_zero() {
            return Err(ProfileError::NoDuration);
        }
        // The mean of a bump is half its height, so of a period it is
        // `base + (peak - base) * width / 2`. A tenth of the mean is the least
        // base, so that it is never quiet between the peaks.
        let base = (2.0 * mean - peak).max(mean * 0.1);
        let width = if peak > base {
            2.0 * (mean - base) / (peak - base)
        } else {
            1.0
        };
        let duration = duration.as_secs_f64();
        // Whole periods, so that the mean of the run is the mean of a period.
        let periods = (duration / PERIOD.as_secs_f64()).round().max(1.0);
        Ok(Self {
            base,
            peak,
            width,
            period: duration / periods,
            duration,
        })
    }

    /// Calls a second at `elapsed` seconds; 0 outside the run.
    #[must_use]
    pub fn rate(&self, elapsed: f64) -> f64 {
        if !(0.0..self.duration).contains(&elapsed) {
            return 0.0;
        }
        // From -1/2 to 1/2 within a period, 0 at the peak.
        let phase = (elapsed / self.period).fract() - 0.5;
        if phase.abs() * 2.0 >= self.width {
            return self.base;
        }
        let bump = (std::f64::consts::PI * phase / self.width).cos().powi(2);
        self.base + (self.peak - self.base) * bump
    }

    /// The moments at which calls are due, in seconds from the start.
    pub fn arrivals(self) -> impl Iterator<Item = f64> {
        const STEP: f64 = 0.001;
        let steps = (self.duration / STEP).ceil() as u64;
        let mut due = 0.0;
        (0..steps).flat_map(move |step| {
            let start = step as f64 * STEP;
            let width = STEP.min(self.duration - start);
            due += self.rate(start + width / 2.0) * width;
            let now = due.floor();
            due -= now;
            let count = now as u32;
            (0..count).map(move |nth| start + width * f64::from(nth) / f64::from(count))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(mean: f64, peak: f64, seconds: u64) -> Profile {
        Profile::new(mean, peak, Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn the_mean_over_the_run_and_the_peak_are_those_asked_for() {
        for (mean, peak, seconds) in [
            (900.0, 2778.0, 30),
            (900.0, 2778.0, 3),
            (100.0, 100.0, 7),
            (10.0, 5000.0, 25),
        ] {
            let profile = profile(mean, peak, seconds);
            let calls = profile.arrivals().count() as f64 / seconds as f64;
            assert!(
                (calls / mean - 1.0).abs() < 0.02,
                "{calls} a second, not {mean}"
            );
            let steps = (0..seconds * 1000).map(|ms| profile.rate(ms as f64 / 1000.0));
            let highest = steps.fold(0.0, f64::max);
            assert!(
                (highest / peak - 1.0).abs() < 0.01,
                "a peak of {highest}, not {peak}"
            );
        }
    }

    #[test]
    fn arrivals_come_in_their_order_and_within_the_run() {
        let arrivals: Vec<_> = profile(900.0, 2778.0, 2).arrivals().collect();
        assert!(arrivals.is_sorted());
        assert!(arrivals.iter().all(|at| (0.0..2.0).contains(at)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let new = |mean, peak, seconds| Profile::new(mean, peak, Duration::from_secs(seconds));
        assert_eq!(new(0.0, 1.0, 1).unwrap_err(), ProfileError::NoRate);
        assert_eq!(new(f64::NAN, 1.0, 1).unwrap_err(), ProfileError::NoRate);
        assert_eq!(new(1.0, 1e300, 1).unwrap_err(), ProfileError::TooMany);
        assert_eq!(
            new(2.0, 1.0, 1).unwrap_err(),
            ProfileError::PeakBelowMean {
                mean: 2.0,
                peak: 1.0
            }
        );
        assert_eq!(new(1.0, 1.0, 0).unwrap_err(), ProfileError::NoDuration);
    }
}
