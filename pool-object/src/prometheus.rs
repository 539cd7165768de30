//! The figures of pools as Prometheus metrics (feature `prometheus`).

use crate::Stats;
use prometheus::{
    IntCounterVec, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::fmt;

/// A [`Collector`] for the figures of any number of pools, labelled by name.
///
/// It reads them when it is scraped; the pools' users pay nothing for it.
///
/// ```
/// use pool_object::{BufferPool, Pool, PoolCollector};
///
/// static LINES: Pool<String> = Pool::new(String::new);
/// static BUFFERS: BufferPool = BufferPool::new();
///
/// let registry = prometheus::Registry::new();
/// let pools = PoolCollector::new()
///     .pool("lines", || LINES.stats())
///     .pool("buffers", || BUFFERS.stats());
/// registry.register(Box::new(pools))?;
///
/// drop((LINES.get(), BUFFERS.get(100)));
/// let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather())?;
/// assert!(text.contains(r#"pool_object_misses_total{pool="lines"} 1"#));
/// assert!(text.contains(r#"pool_object_idle{pool="buffers"} 1"#));
/// # Ok::<(), prometheus::Error>(())
/// ```
#[derive(Default)]
pub struct PoolCollector {
    pools: Vec<(String, Source)>,
}

type Source = Box<dyn Fn() -> Stats + Send + Sync>;

impl PoolCollector {
    /// One without pools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pool: the value of its label `pool`, and where its figures come from.
    #[must_use]
    pub fn pool(
        mut self,
        name: impl Into<String>,
        stats: impl Fn() -> Stats + Send + Sync + 'static,
    ) -> Self {
        self.pools.push((name.into(), Box::new(stats)));
        self
    }
}

/// The metrics, made anew for each scrape.
struct Metrics {
    hits: IntCounterVec,
    misses: IntCounterVec,
    prewarmed: IntCounterVec,
    returned: IntCounterVec,
    dropped: IntCounterVec,
    idle: IntGaugeVec,
    idle_weight: IntGaugeVec,
}

impl Metrics {
    fn new() -> Self {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let opts = Opts::new(format!("pool_object_{name}"), help);
            IntCounterVec::new(opts, labels).expect("names and labels are valid")
        };
        let gauge = |name: &str, help: &str| {
            let opts = Opts::new(format!("pool_object_{name}"), help);
            IntGaugeVec::new(opts, &["pool"]).expect("names and labels are valid")
        };
        Self {
            hits: counter(
                "hits_total",
                "Objects handed out that were idle before, by where they were found",
                &["pool", "where"],
            ),
            misses: counter("misses_total", "Objects that had to be made", &["pool"]),
            prewarmed: counter("prewarmed_total", "Objects made ahead of use", &["pool"]),
            returned: counter(
                "returned_total",
                "Objects that came back and were kept",
                &["pool"],
            ),
            dropped: counter(
                "dropped_total",
                "Objects dropped instead of kept, by reason",
                &["pool", "reason"],
            ),
            idle: gauge("idle", "Objects that are idle"),
            idle_weight: gauge(
                "idle_weight",
                "What the idle objects weigh by the pool's policy",
            ),
        }
    }

    fn set(&self, pool: &str, stats: &Stats) {
        let of = |vec: &IntCounterVec, value| vec.with_label_values(&[pool]).inc_by(value);
        of(&self.misses, stats.misses);
        of(&self.prewarmed, stats.prewarmed);
        of(&self.returned, stats.returned());
        let (hits, dropped) = (stats.hits, stats.dropped);
        for (place, value) in [
            ("thread", hits.thread),
            ("shard", hits.shard),
            ("stolen", hits.stolen),
        ] {
            self.hits.with_label_values(&[pool, place]).inc_by(value);
        }
        for (reason, value) in [
            ("full", dropped.full),
            ("refused", dropped.refused),
            ("panicked", dropped.panicked),
            ("oversized", dropped.oversized),
            ("aged", dropped.aged),
        ] {
            self.dropped
                .with_label_values(&[pool, reason])
                .inc_by(value);
        }
        let level = |vec: &IntGaugeVec, value: u64| {
            vec.with_label_values(&[pool]).set(value.cast_signed());
        };
        level(&self.idle, stats.idle);
        level(&self.idle_weight, stats.idle_weight);
    }

    fn all(&self) -> [&dyn Collector; 7] {
        [
            &self.hits,
            &self.misses,
            &self.prewarmed,
            &self.returned,
            &self.dropped,
            &self.idle,
            &self.idle_weight,
        ]
    }
}

impl Collector for PoolCollector {
    fn desc(&self) -> Vec<&Desc> {
        // Unchecked by the registry then, which would have to have them live here.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = Metrics::new();
        for (name, stats) in &self.pools {
            metrics.set(name, &stats());
        }
        metrics
            .all()
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pools.iter().map(|(name, _)| name))
            .finish()
    }
}
