//! Histograms of durations.
//!
//! Log-linear: 32 steps from one power of two to the next, so that a quantile
//! is told with a relative error of at most 1/32, from one nanosecond to 584
//! years, in 15 KiB. Each worker writes to one that hardly anybody else writes to,
//! so nobody waits for a cache line; they are merged when they are read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The most that a quantile is too large, in parts of itself. Counts and the
/// maximum are exact.
pub const RELATIVE_ERROR: f64 = 1.0 / STEPS as f64;

const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;
/// Up to `STEPS` each value has a bucket; then each power of two has `STEPS`.
const BUCKETS: usize = (64 - STEP_BITS as usize + 1) * STEPS;

/// Durations counted by bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self {
            buckets,
            max: AtomicU64::new(0),
        }
    }

    /// Counts a duration.
    pub(crate) fn record(&self, nanos: u64) {
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        // A new maximum is rare, and a look is cheaper than a locked maximum.
        if nanos > self.max.load(Relaxed) {
            self.max.fetch_max(nanos, Relaxed);
        }
    }
}

fn bucket(nanos: u64) -> usize {
    let octave = (u64::BITS - nanos.leading_zeros()).saturating_sub(STEP_BITS + 1);
    let step = (nanos >> octave) as usize;
    octave as usize * STEPS + step
}

/// The longest duration of a bucket.
fn upper_end(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let octave = bucket / STEPS - 1;
    let step = (bucket - octave * STEPS) as u64;
    // In parts, so that the last bucket does not overflow.
    (step << octave) + ((1 << octave) - 1)
}

/// Durations as they were at one moment: how many, and quantiles.
///
/// A quantile is at most [`RELATIVE_ERROR`] too large, and never above `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelaySnapshot {
    /// How many durations.
    pub count: u64,
    /// Half of them were at most this.
    pub p50: Duration,
    /// 90 % of them were at most this.
    pub p90: Duration,
    /// 99 % of them were at most this.
    pub p99: Duration,
    /// 99.9 % of them were at most this.
    pub p999: Duration,
    /// The longest, exactly.
    pub max: Duration,
}

impl DelaySnapshot {
    /// Merges histograms.
    pub(crate) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut counts = vec![0; BUCKETS];
        let mut max = 0;
        for histogram in histograms {
            for (count, bucket) in counts.iter_mut().zip(&histogram.buckets) {
                *count += bucket.load(Relaxed);
            }
            max = max.max(histogram.max.load(Relaxed));
        }
        let count: u64 = counts.iter().sum();
        let quantile = |per_mille: u64| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            let mut seen = 0;
            let reaches = |bucket: &u64| {
                seen += bucket;
                seen >= rank
            };
            let bucket = counts.iter().position(reaches);
            Duration::from_nanos(bucket.map_or(0, |bucket| upper_end(bucket).min(max)))
        };
        Self {
            count,
            p50: quantile(500),
            p90: quantile(900),
            p99: quantile(990),
            p999: quantile(999),
            max: Duration::from_nanos(max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_falls_into_it_within_the_stated_error() {
        let mut value: u64 = 0;
        while value < u64::MAX / 2 {
            let end = upper_end(bucket(value));
            assert!(end >= value, "{value} is beyond its bucket's end {end}");
            assert!(
                (end - value) as f64 <= value as f64 * RELATIVE_ERROR,
                "{value} {end}"
            );
            assert_eq!(bucket(end), bucket(value));
            assert_eq!(bucket(end + 1), bucket(value) + 1);
            value += value / 7 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(upper_end(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_of_merged_histograms_are_those_of_all_durations() {
        let (even, odd) = (Histogram::new(), Histogram::new());
        for micros in 1..=1000_u64 {
            let histogram = if micros % 2 == 0 { &even } else { &odd };
            histogram.record(micros * 1000);
        }
        let merged = DelaySnapshot::of([&even, &odd].into_iter());
        assert_eq!(
            (merged.count, merged.max),
            (1000, Duration::from_micros(1000))
        );
        for (quantile, micros) in [(merged.p50, 500), (merged.p90, 900), (merged.p99, 990)] {
            let exact = Duration::from_micros(micros);
            assert!(quantile >= exact && quantile <= exact.mul_f64(1.0 + RELATIVE_ERROR));
        }
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(
            DelaySnapshot::of([&Histogram::new()].into_iter()),
            DelaySnapshot::default()
        );
    }
}
