//! The figures of pools as Prometheus metrics (feature `prometheus`).

use crate::Stats;
use prometheus::{
    IntCounterVec, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

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
///
/// A registry takes each family once: add all pools to one collector, or tell several by
/// a [`label`](Self::label) that all of them have.
pub struct PoolCollector {
    labels: HashMap<String, String>,
    pools: Vec<Watched>,
    /// For what they are called alone: these have no values.
    described: Metrics,
}

struct Watched {
    name: String,
    stats: Box<dyn Fn() -> Stats + Send + Sync>,
    /// The most that were told of as returned. It follows from counts that are read while
    /// they change, so it may seem to become less, which would pass for a new beginning.
    returned: AtomicU64,
}

impl PoolCollector {
    /// One without pools.
    #[must_use]
    pub fn new() -> Self {
        let labels = HashMap::new();
        Self {
            described: Metrics::new(&labels),
            labels,
            pools: Vec::new(),
        }
    }

    /// Adds a label to all metrics of this collector, such as the part of the program
    /// that the pools are of.
    ///
    /// ```
    /// use pool_object::PoolCollector;
    /// let registry = prometheus::Registry::new();
    /// for part in ["front", "back"] {
    ///     registry.register(Box::new(PoolCollector::new().label("part", part)))?;
    /// }
    /// # Ok::<(), prometheus::Error>(())
    /// ```
    ///
    /// # Panics
    /// If `name` is no name of a label (letters, digits and `_`), or one that the metrics
    /// have: `pool`, `where`, `reason`.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self.described = Metrics::new(&self.labels);
        self
    }

    /// Adds a pool: the value of its label `pool`, and where its figures come from.
    ///
    /// ```
    /// use pool_object::{Pool, PoolCollector};
    /// use std::sync::Arc;
    ///
    /// let pool: Arc<Pool<String>> = Arc::default();
    /// let watched = Arc::clone(&pool);
    /// let collector = PoolCollector::new().pool("names", move || watched.stats());
    /// # drop(collector);
    /// ```
    #[must_use]
    pub fn pool(
        mut self,
        name: impl Into<String>,
        stats: impl Fn() -> Stats + Send + Sync + 'static,
    ) -> Self {
        self.pools.push(Watched {
            name: name.into(),
            stats: Box::new(stats),
            returned: AtomicU64::new(0),
        });
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
    fn new(labels: &HashMap<String, String>) -> Self {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("pool_object_{name}"), help).const_labels(labels.clone())
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(opts(name, help), labels).expect("names of labels")
        };
        let gauge = |name: &str, help: &str| {
            IntGaugeVec::new(opts(name, help), &["pool"]).expect("names of labels")
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
                "What the idle objects weigh by the pool's policy, buffers their bytes",
            ),
        }
    }

    fn set(&self, pool: &str, stats: &Stats, returned: u64) {
        let of = |vec: &IntCounterVec, value| vec.with_label_values(&[pool]).inc_by(value);
        of(&self.misses, stats.misses);
        of(&self.prewarmed, stats.prewarmed);
        of(&self.returned, returned);
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
            ("byte_budget", dropped.byte_budget),
            ("refused", dropped.refused),
            ("panicked", dropped.panicked),
            ("oversized", dropped.oversized),
            ("aged", dropped.aged),
            ("lowered", dropped.lowered),
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
        let all = self.described.all();
        all.into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = Metrics::new(&self.labels);
        for pool in &self.pools {
            let stats = (pool.stats)();
            let now = stats.returned();
            // Relaxed: a count, which other scrapes may raise meanwhile.
            let returned = pool.returned.fetch_max(now, Relaxed).max(now);
            metrics.set(&pool.name, &stats, returned);
        }
        metrics
            .all()
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}

impl Default for PoolCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pools.iter().map(|pool| &pool.name))
            .finish()
    }
}
