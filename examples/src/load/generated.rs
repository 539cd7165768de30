//! Points of the made-up estate.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::alarm::message::{CheckRequest, Point};
use crate::alarm::policy::Level;
use crate::alarm::synthetic::{self, Series};

/// How many series report; each comes round once in this many points.
const SERIES: u32 = 20_000;
/// Points a call.
const BATCH: usize = 10;
/// In every round, one calm series in this many begins to breach, and one
/// breaching in `CALMS_ONE_IN` calms down: about one in five breaches.
const BREACHES_ONE_IN: u32 = 16;
const CALMS_ONE_IN: u32 = 4;

struct Reporter {
    series: Series,
    breaching: bool,
}

/// Makes Check requests, the same for the same seed.
pub struct Generator {
    reporters: Vec<Reporter>,
    next: usize,
    rng: SmallRng,
}

impl Generator {
    /// Series that the first `policies` policies of `seed` watch.
    #[must_use]
    pub fn new(seed: u64, policies: u32) -> Self {
        let count = SERIES.min(policies);
        let mut rng = SmallRng::seed_from_u64(seed);
        let reporters = (0..count).map(|nth| {
            // Spread over all policies.
            let number = u64::from(nth) * u64::from(policies) / u64::from(count);
            let number = u32::try_from(number).expect("below the count of policies");
            let series = synthetic::series(seed, number);
            Reporter {
                series,
                breaching: rng.random_ratio(1, 5),
            }
        });
        let reporters = reporters.collect();
        Self {
            reporters: by_turns(reporters),
            next: 0,
            rng,
        }
    }

    /// The points of the next call, as read at `time_ms` (milliseconds since
    /// the Unix epoch), and how bad it would be if they breached.
    pub fn next(&mut self, time_ms: u64) -> (Level, CheckRequest) {
        let mut worst = Level::Info;
        let points = (0..BATCH).map(|_| {
            let (level, point) = self.point(time_ms);
            worst = worst.max(level);
            point
        });
        let points = points.collect();
        (worst, CheckRequest { points })
    }

    fn point(&mut self, time_ms: u64) -> (Level, Point) {
        let count = self.reporters.len();
        let reporter = &mut self.reporters[self.next];
        self.next = (self.next + 1) % count;
        let turn = if reporter.breaching {
            CALMS_ONE_IN
        } else {
            BREACHES_ONE_IN
        };
        reporter.breaching ^= self.rng.random_ratio(1, turn);
        let series = &reporter.series;
        let point = Point {
            region: series.region.into(),
            product: series.product.into(),
            metric: series.metric.into(),
            instance: series.instance.clone(),
            value: if reporter.breaching {
                series.breaching
            } else {
                series.calm
            },
            time_ms,
        };
        (series.level, point)
    }
}

/// A call has points of one level, so that the levels take turns.
fn by_turns(reporters: Vec<Reporter>) -> Vec<Reporter> {
    let count = reporters.len();
    let mut levels: [Vec<Reporter>; 3] = Default::default();
    for reporter in reporters {
        levels[reporter.series.level as usize].push(reporter);
    }
    let mut levels = levels.map(Vec::into_iter);
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        for level in &mut levels {
            ordered.extend(level.take(BATCH));
        }
    }
    ordered
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("series", &self.reporters.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_points() {
        let mut one = Generator::new(3, 1_000);
        let mut two = Generator::new(3, 1_000);
        for _ in 0..500 {
            assert_eq!(one.next(0), two.next(0));
        }
        assert_ne!(
            Generator::new(4, 1_000).next(0),
            Generator::new(3, 1_000).next(0)
        );
    }

    #[test]
    fn calls_of_each_level_take_turns() {
        let mut generator = Generator::new(3, 900);
        let levels: Vec<_> = (0..6).map(|_| generator.next(0).0).collect();
        let once = [Level::Info, Level::Warning, Level::Critical];
        assert_eq!(levels, [once, once].concat());
    }

    #[test]
    fn a_single_policy_is_enough() {
        let (_level, request) = Generator::new(3, 1).next(5);
        assert_eq!(request.points.len(), BATCH);
        assert!(request.points.iter().all(|point| point.time_ms == 5));
    }
}
