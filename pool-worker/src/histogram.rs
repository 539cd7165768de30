//! A log-linear histogram of durations, in ticks of the pool's clock, that is cheap
//! enough to be always on.
//!
//! Each power of two is cut into 32 equal buckets, so a bucket is at most 1/32
//! of its lower bound wide, and its middle is off by at most 1/64.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::delay_snapshot::DelaySnapshot;

const SUB_BITS: u32 = 5;
const SUBS: usize = 1 << SUB_BITS;
/// Values from 2^45 ticks on (more than 73 minutes of any processor's counter)
/// share the last bucket; the maximum is kept exactly. (loom's stacks are small.)
const RANGE_BITS: u32 = if cfg!(loom_models) { 10 } else { 45 };
const BUCKETS: usize = (RANGE_BITS - SUB_BITS + 1) as usize * SUBS;

#[inline]
fn bucket_of(ticks: u64) -> usize {
    let shift = (u64::BITS - 1 - SUB_BITS) - (ticks | SUBS as u64).leading_zeros();
    (shift as usize * SUBS + (ticks >> shift) as usize).min(BUCKETS - 1)
}

fn middle_of(bucket: usize) -> u64 {
    let shift = (bucket / SUBS).saturating_sub(1);
    let low = ((bucket - shift * SUBS) as u64) << shift;
    low + (1 << shift) / 2
}

/// Counts by bucket, written by workers and read by anyone at any time.
///
/// Relaxed throughout: a count is a figure, nothing is published through it.
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            max: AtomicU64::new(0),
        }
    }

    /// Records for a histogram with one writer at a time: plain loads and
    /// stores, no locked instruction.
    #[inline]
    pub(crate) fn record_alone(&self, ticks: u64) {
        let count = &self.counts[bucket_of(ticks)];
        count.store(count.load(Relaxed) + 1, Relaxed);
        if ticks > self.max.load(Relaxed) {
            self.max.store(ticks, Relaxed);
        }
    }

    /// Records for a histogram with many writers.
    #[inline]
    pub(crate) fn record_shared(&self, ticks: u64) {
        self.counts[bucket_of(ticks)].fetch_add(1, Relaxed);
        if ticks > self.max.load(Relaxed) {
            self.max.fetch_max(ticks, Relaxed);
        }
    }
}

/// The sum of histograms at one moment.
pub struct Merged {
    counts: Vec<u64>,
    max: u64,
}

impl Merged {
    pub(crate) fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let mut merged = Self {
            counts: vec![0; BUCKETS],
            max: 0,
        };
        for histogram in histograms {
            for (sum, count) in merged.counts.iter_mut().zip(histogram.counts.iter()) {
                *sum += count.load(Relaxed);
            }
            merged.max = merged.max.max(histogram.max.load(Relaxed));
        }
        merged
    }

    /// What was recorded after an earlier look at the same histograms. The
    /// maximum is then off like a quantile, unless it is that of all time.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let both = self.counts.iter().zip(&earlier.counts);
        let counts: Vec<_> = both.map(|(now, then)| now.saturating_sub(*then)).collect();
        let max = match counts.iter().rposition(|count| *count > 0) {
            Some(last) if last == bucket_of(self.max) => self.max,
            Some(last) => middle_of(last),
            None => 0,
        };
        Self { counts, max }
    }

    /// How many there were of about each length, in rising order.
    #[cfg(feature = "prometheus")]
    pub(crate) fn counted(&self) -> impl Iterator<Item = (u64, u64)> {
        let counted = self.counts.iter().copied().enumerate();
        let counted = counted.filter(|(_, count)| *count > 0);
        counted.map(|(bucket, count)| (middle_of(bucket), count))
    }

    /// The figures in time, where a tick takes so many nanoseconds.
    pub(crate) fn snapshot(&self, tick: f64) -> DelaySnapshot {
        let count = self.counts.iter().sum();
        let time = |ticks: u64| Duration::from_nanos((ticks as f64 * tick).round() as u64);
        let quantile = |per_mille| time(self.value_at(count, per_mille));
        DelaySnapshot {
            count,
            p50: quantile(500),
            p90: quantile(900),
            p99: quantile(990),
            p999: quantile(999),
            max: time(self.max),
        }
    }

    /// The middle of the bucket that holds the value of rank `per_mille`.
    fn value_at(&self, count: u64, per_mille: u128) -> u64 {
        let rank = (u128::from(count) * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return middle_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_hold_their_middle() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
        }
        for ticks in 1..100_000u64 {
            let step = bucket_of(ticks) - bucket_of(ticks - 1);
            assert!(step <= 1, "a gap before {ticks}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_middle_is_within_the_stated_error() {
        let mut ticks = 1u64;
        while ticks < 1 << RANGE_BITS {
            let error = middle_of(bucket_of(ticks)).abs_diff(ticks) as f64 / ticks as f64;
            assert!(error <= DelaySnapshot::RELATIVE_ERROR, "{ticks}: {error}");
            ticks = ticks * 17 / 16 + 1;
        }
    }

    #[test]
    fn quantiles_follow_rank_over_all_writers() {
        let (alone, shared) = (Histogram::new(), Histogram::new());
        for ticks in 1..=16 {
            alone.record_alone(ticks);
        }
        for ticks in 17..=31 {
            shared.record_shared(ticks);
        }
        let snapshot = Merged::of([&alone, &shared]).snapshot(1.0);
        assert_eq!(snapshot.count, 31);
        assert_eq!(snapshot.p50, Duration::from_nanos(16));
        assert_eq!(snapshot.p90, Duration::from_nanos(28));
        assert_eq!(snapshot.max, Duration::from_nanos(31));
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        let snapshot = Merged::of([&Histogram::new()]).snapshot(1.0);
        assert_eq!(snapshot, DelaySnapshot::default());
    }
}
