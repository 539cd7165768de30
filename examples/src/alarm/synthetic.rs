//! A made-up estate of regions, products and instances, the same for the same
//! seed: the policies that watch it, and the series that they watch.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::policy::{ChannelKind, ChannelSet, Comparison, Instance, Level, Policy, Scope};
use super::shield::{Shield, ShieldTimeType};
use super::store::StoreBuilder;

const REGIONS: [&str; 20] = [
    "gz", "sh", "bj", "cd", "nj", "cq", "hk", "sg", "bkk", "jkt", "mum", "tok", "sel", "fra", "va",
    "sv", "sao", "syd", "tpe", "qy",
];
const PRODUCTS: [&str; 20] = [
    "cvm", "clb", "cos", "cdb", "redis", "ckafka", "cdn", "tke", "scf", "es", "mongodb", "vpc",
    "nat", "eip", "cbs", "cfs", "waf", "tdmq", "dcdb", "apigw",
];
const METRICS: [&str; 20] = [
    "cpu_usage",
    "mem_usage",
    "disk_usage",
    "disk_read",
    "disk_write",
    "net_in",
    "net_out",
    "connections",
    "qps",
    "errors",
    "latency_p99",
    "slow_queries",
    "queue_depth",
    "lag",
    "retries",
    "hit_rate",
    "threads",
    "fds",
    "restarts",
    "packet_loss",
];

/// One policy in this many watches all instances of its scope.
const ALL_INSTANCES_ONE_IN: u32 = 1_000;

/// A series: what one policy watches, for one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Region name.
    pub region: &'static str,
    /// Product name.
    pub product: &'static str,
    /// Metric name.
    pub metric: &'static str,
    /// Instance name.
    pub instance: String,
    /// How bad it is when it breaches the policy.
    pub level: Level,
    /// A reading that breaches the policy.
    pub breaching: f64,
    /// A reading that does not.
    pub calm: f64,
}

/// The scopes of the estate, as the numbers of one store.
#[derive(Clone, Debug)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Makes the estate's names known to `builder`.
    pub fn register(builder: &mut StoreBuilder) -> Self {
        let mut scopes = Vec::with_capacity(REGIONS.len() * PRODUCTS.len() * METRICS.len());
        for region in REGIONS {
            for product in PRODUCTS {
                scopes.extend(METRICS.map(|metric| builder.scope(region, product, metric)));
            }
        }
        Self(scopes)
    }
}

/// What is drawn for the policy of a number.
struct Draw {
    region: usize,
    product: usize,
    metric: usize,
    all_instances: bool,
    instance: u32,
    above: bool,
    threshold: f64,
    level: Level,
    rng: SmallRng,
}

impl Draw {
    fn new(seed: u64, number: u32) -> Self {
        // An odd multiplier spreads neighbouring numbers over all seeds.
        let spread = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut rng = SmallRng::seed_from_u64(seed ^ spread);
        // Squared, so that the first regions and products have the most
        // instances, as some sell a thousand times better than others.
        let mut skewed = |len: usize| {
            let at: f64 = rng.random();
            (at * at * len as f64) as usize
        };
        let (region, product) = (skewed(REGIONS.len()), skewed(PRODUCTS.len()));
        Self {
            region,
            product,
            metric: rng.random_range(0..METRICS.len()),
            all_instances: rng.random_ratio(1, ALL_INSTANCES_ONE_IN),
            instance: rng.random_range(0..0x100_0000),
            above: rng.random_ratio(4, 5),
            threshold: f64::from(rng.random_range(100..10_000_u32)) / 10.0,
            level: [Level::Info, Level::Warning, Level::Critical][number as usize % 3],
            rng,
        }
    }

    fn instance_name(&self) -> String {
        format!("{}-{:06x}", PRODUCTS[self.product], self.instance)
    }

    fn policy(mut self, scopes: &Scopes) -> Policy {
        let at = (self.region * PRODUCTS.len() + self.product) * METRICS.len() + self.metric;
        let instance = (!self.all_instances).then(|| Instance::named(&self.instance_name()));
        let rng = &mut self.rng;
        let channels = match rng.random_range(0..4) {
            0 => &[ChannelKind::Log][..],
            1 => &[ChannelKind::Memory],
            2 => &[ChannelKind::Log, ChannelKind::Webhook],
            _ => &[ChannelKind::Log, ChannelKind::Webhook, ChannelKind::Memory],
        };
        let kind = match rng.random_range(0..20) {
            0 => ShieldTimeType::Forever,
            1 => ShieldTimeType::Absolute,
            2 => ShieldTimeType::Loop,
            _ => ShieldTimeType::Invalid,
        };
        let (from, to) = match kind {
            ShieldTimeType::Invalid | ShieldTimeType::Forever => (0, 0),
            // Years, some of them gone and some to come.
            ShieldTimeType::Absolute => {
                let from = rng.random_range(1_700_000_000..1_900_000_000);
                (from, from + rng.random_range(3_600..40_000_000))
            }
            ShieldTimeType::Loop => (rng.random_range(0..86_400), rng.random_range(0..86_400)),
        };
        Policy {
            scope: scopes.0[at],
            // An instance of "all" is none in particular.
            instance,
            comparison: if self.above {
                Comparison::Above
            } else {
                Comparison::Below
            },
            threshold: self.threshold,
            periods: rng.random_range(1..=3),
            level: self.level,
            channels: channels.iter().copied().collect::<ChannelSet>(),
            shield: Shield { kind, from, to },
        }
    }
}

/// The policy of this number, in the numbers of a store.
#[must_use]
pub fn policy(seed: u64, number: u32, scopes: &Scopes) -> Policy {
    Draw::new(seed, number).policy(scopes)
}

/// A series that the policy of this number watches.
#[must_use]
pub fn series(seed: u64, number: u32) -> Series {
    let draw = Draw::new(seed, number);
    let (high, low) = (draw.threshold * 1.1, draw.threshold * 0.9);
    let (breaching, calm) = if draw.above { (high, low) } else { (low, high) };
    Series {
        region: REGIONS[draw.region],
        product: PRODUCTS[draw.product],
        metric: METRICS[draw.metric],
        instance: draw.instance_name(),
        level: draw.level,
        breaching,
        calm,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Point;
    use super::*;

    #[test]
    fn every_series_is_watched_by_its_policy_and_breaches_it() {
        let mut builder = StoreBuilder::default();
        let scopes = Scopes::register(&mut builder);
        let policies: Vec<_> = (0..2_000)
            .map(|number| policy(7, number, &scopes))
            .collect();
        builder.extend(&policies);
        let store = builder.finish();
        for number in 0..2_000 {
            let series = series(7, number);
            let point = Point {
                region: series.region.into(),
                product: series.product.into(),
                metric: series.metric.into(),
                instance: series.instance,
                ..Point::default()
            };
            let own = policies[number as usize];
            let (_, policy) = store
                .watching(&point)
                .find(|(_, found)| **found == own)
                .unwrap();
            assert!(
                policy
                    .comparison
                    .breached(series.breaching, policy.threshold)
            );
            assert!(!policy.comparison.breached(series.calm, policy.threshold));
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_does_not() {
        assert_eq!(series(1, 5), series(1, 5));
        assert_ne!(series(1, 5), series(2, 5));
        assert_ne!(series(1, 5), series(1, 6));
    }
}
