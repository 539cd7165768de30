//! How long handlers take, and requests wait for them: a histogram that many threads write.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Each power of two of nanoseconds is cut into so many buckets.
const CUTS: usize = 8;
const CUT_BITS: u32 = CUTS.trailing_zeros();
const BUCKETS: usize = (u64::BITS - CUT_BITS + 1) as usize * CUTS;
/// Copies of the histogram, so that threads seldom write the same line.
const MOST_SHARDS: usize = 8;

/// Powers of two of nanoseconds that are told of, from [`FIRST_POWER`] on: from a
/// microsecond to 17 seconds.
const POWERS: usize = 25;
const FIRST_POWER: u32 = 10;

/// The latency of handlers, or how long requests waited for them. Quantiles are too long by an eighth at most;
/// `max` is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencySnapshot {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The 99.9th percentile.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
    /// All together, to within a sixteenth: it is made up from the buckets, so that
    /// nothing more is counted as a request ends.
    pub sum: Duration,
    /// How many took less than each power of two of nanoseconds.
    powers: [u64; POWERS],
}

impl LatencySnapshot {
    /// Times, and how many took less than each; they grow.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let ends = (FIRST_POWER..).map(|power| Duration::from_nanos(1 << power));
        ends.zip(self.powers)
    }
}

pub(super) struct Latency {
    shards: Box<[Shard]>,
}

/// What has been recorded, at one moment.
#[derive(Clone)]
pub(super) struct Counts {
    buckets: Box<[u64; BUCKETS]>,
    max: u64,
}

#[repr(align(128))]
struct Shard {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Latency {
    pub(super) fn new() -> Self {
        let shard = || Shard {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            max: AtomicU64::new(0),
        };
        let count = num_cpus::get().next_power_of_two().min(MOST_SHARDS);
        Self {
            shards: (0..count).map(|_| shard()).collect(),
        }
    }

    #[inline]
    pub(super) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // A power of two of shards.
        let shard = &self.shards[nth_thread() & (self.shards.len() - 1)];
        shard.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        if nanos > shard.max.load(Relaxed) {
            shard.max.fetch_max(nanos, Relaxed);
        }
    }

    /// Since the start.
    pub(super) fn snapshot(&self) -> LatencySnapshot {
        self.counts().snapshot()
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.add_to(&mut counts);
        counts
    }

    /// Adds what has been recorded.
    pub(super) fn add_to(&self, counts: &mut Counts) {
        for shard in &self.shards {
            for (sum, bucket) in counts.buckets.iter_mut().zip(&shard.buckets) {
                *sum += bucket.load(Relaxed);
            }
            counts.max = counts.max.max(shard.max.load(Relaxed));
        }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            max: 0,
        }
    }
}

impl Counts {
    /// What was recorded after `earlier`. Which of it was the longest is only known as
    /// quantiles are.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut buckets = self.buckets.clone();
        for (count, before) in buckets.iter_mut().zip(&*earlier.buckets) {
            *count = count.saturating_sub(*before);
        }
        let last = buckets.iter().rposition(|count| *count > 0);
        Self {
            max: last.map_or(0, |at| longest(at).min(self.max)),
            buckets,
        }
    }

    pub(super) fn snapshot(&self) -> LatencySnapshot {
        let count = self.buckets.iter().sum();
        let quantile = |part: f64| {
            let rank = (count as f64 * part).ceil() as u64;
            let mut seen = 0;
            let found = self.buckets.iter().position(|bucket| {
                seen += bucket;
                seen >= rank.max(1)
            });
            // None when there is nothing in it.
            Duration::from_nanos(found.map_or(0, |at| longest(at).min(self.max)))
        };
        LatencySnapshot {
            count,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: Duration::from_nanos(self.max),
            sum: self.sum(),
            powers: self.powers(),
        }
    }

    fn sum(&self) -> Duration {
        let counts = self.buckets.iter().enumerate();
        let filled = counts.filter(|(_, count)| **count > 0);
        // Those of a bucket are taken to be in the middle of it.
        let nanos = filled.map(|(at, count)| {
            let shortest = at.checked_sub(1).map_or(0, |before| longest(before) + 1);
            let middle = (shortest as f64 + longest(at).min(self.max) as f64) / 2.0;
            middle * *count as f64
        });
        Duration::try_from_secs_f64(nanos.sum::<f64>() / 1e9).unwrap_or(Duration::MAX)
    }

    fn powers(&self) -> [u64; POWERS] {
        let (mut at, mut sum) = (0, 0);
        std::array::from_fn(|nth| {
            let end = bucket(1 << (FIRST_POWER + nth as u32));
            sum += self.buckets[at..end].iter().sum::<u64>();
            at = end;
            sum
        })
    }
}

/// The bucket that a number belongs to: below `CUTS` each has its own, above
/// there are `CUTS` of the same width for each power of two.
#[inline]
fn bucket(number: u64) -> usize {
    let power = (number | (CUTS as u64 - 1)).ilog2();
    if number < CUTS as u64 {
        return number as usize;
    }
    let shift = power - CUT_BITS;
    (shift as usize + 1) * CUTS + ((number >> shift) as usize & (CUTS - 1))
}

/// The greatest number of a bucket.
fn longest(bucket: usize) -> u64 {
    if bucket < CUTS {
        return bucket as u64;
    }
    let shift = bucket / CUTS - 1;
    let least = ((CUTS + bucket % CUTS) as u64) << shift;
    least + ((1 << shift) - 1)
}

#[inline]
fn nth_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NTH: usize = THREADS.fetch_add(1, Relaxed));
    NTH.try_with(|nth| *nth).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_a_bucket_that_ends_at_most_an_eighth_above_it() {
        let powers = (0..64).map(|power| 1u64 << power);
        for number in powers.flat_map(|power| [power - 1, power, power + 1, power + power / 3]) {
            let end = longest(bucket(number));
            assert!(end >= number, "{number} is in a bucket that ends at {end}");
            assert!(
                end - number <= number / 8,
                "{number} is in a bucket that ends at {end}"
            );
        }
        assert_eq!(longest(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn what_took_less_than_a_power_of_two_is_counted_and_the_sum_is_about_right() {
        let latency = Latency::new();
        let nanos = [0, 1023, 1024, 2047, 2048, 1 << 33, 1 << 34, 1 << 40];
        for nanos in nanos {
            latency.record(Duration::from_nanos(nanos));
        }
        let snapshot = latency.snapshot();
        let told: Vec<_> = snapshot.buckets().collect();
        assert_eq!(told.len(), POWERS);
        for (end, count) in told {
            let less = |nanos: &&u64| Duration::from_nanos(**nanos) < end;
            assert_eq!(count, nanos.iter().filter(less).count() as u64, "{end:?}");
        }
        assert_eq!(snapshot.count, 8);
        let sum = Duration::from_nanos(nanos.iter().sum());
        let off = snapshot.sum.abs_diff(sum);
        assert!(off <= sum / 16, "{:?} for {sum:?}", snapshot.sum);
        assert_eq!(Latency::new().snapshot(), LatencySnapshot::default());
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let latency = Latency::new();
        (1..=1000).for_each(|micros| latency.record(Duration::from_micros(micros)));
        let snapshot = latency.snapshot();
        assert_eq!(
            (snapshot.count, snapshot.max),
            (1000, Duration::from_millis(1))
        );
        for (quantile, exact) in [
            (snapshot.p50, 500),
            (snapshot.p90, 900),
            (snapshot.p999, 999),
        ] {
            let exact = Duration::from_micros(exact);
            assert!(
                (exact..=exact + exact / 8).contains(&quantile),
                "{quantile:?} for {exact:?}"
            );
        }
    }
}
