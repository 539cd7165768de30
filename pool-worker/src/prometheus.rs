//! The figures of pools as Prometheus metrics (feature `prometheus`).

mod classes;
mod delays;
mod histograms;

use std::collections::BTreeMap;
use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use self::classes::Classes;
use self::delays::Delays;
use crate::any_pool::{AnyPool, Core};
use crate::stats::Stats;

/// A [`Collector`] for the figures of any number of pools, labelled by name: of
/// pools with the same name it tells the sums, and of the oldest jobs the oldest.
/// A registry takes one of them, beside collectors of any other kind.
///
/// It reads them when it is scraped; jobs pay nothing for it. It outlives its
/// pools, and keeps their functions alive. Of a pool that is
/// [controlled](crate::overload) it tells by priority too what became of jobs, and in
/// `pool_worker_class_delay_seconds` how long those waited that were run (`served="yes"`)
/// and those that were accepted and not run (`served="no"`).
///
/// Delays are a histogram with the usual `le` buckets, 1, 2 and 5 of each power
/// of ten from 1 µs to 100 s, so any quantile over any time can be asked for:
/// `histogram_quantile(0.99, rate(pool_worker_delay_seconds_bucket[5m]))`. The
/// bounds of a bucket, and so its count, are as exact as
/// [`RELATIVE_ERROR`](crate::DelaySnapshot::RELATIVE_ERROR) says, and so is the sum.
///
/// ```
/// use pool_worker::{PoolCollector, threads::Pool};
///
/// let pool = Pool::builder().name("thumbnails").build();
/// let registry = prometheus::Registry::new();
/// registry.register(Box::new(PoolCollector::new().pool(&pool)))?;
///
/// pool.submit(|| ())?;
/// pool.wait_idle();
/// let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather())?;
/// assert!(text.contains(r#"pool_worker_jobs_total{outcome="ran",pool="thumbnails"} 1"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoolCollector {
    pools: Vec<Box<dyn Core>>,
    descs: Vec<Desc>,
}

impl PoolCollector {
    /// One without pools.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pools: Vec::new(),
            descs: Metrics::new().descs(),
        }
    }

    /// Adds a pool. Its name is the value of the label `pool`.
    #[must_use]
    pub fn pool(mut self, pool: &impl AnyPool) -> Self {
        self.pools.push(pool.keep());
        self
    }
}

impl Default for PoolCollector {
    fn default() -> Self {
        Self::new()
    }
}

/// The metrics, made anew for each scrape.
struct Metrics {
    submitted: IntCounterVec,
    jobs: IntCounterVec,
    rejected: IntCounterVec,
    level: IntGaugeVec,
    oldest: GaugeVec,
    delays: Delays,
    classes: Classes,
}

const VALID: &str = "names and labels are valid";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("pool_worker_{name}"), help)
}

impl Metrics {
    fn new() -> Self {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(opts(name, help), labels).expect(VALID)
        };
        let level = opts("level", "Jobs, submitters and workers by what they do");
        let oldest = opts(
            "oldest_waiting_seconds",
            "Age of the oldest job that waits for a worker; 0 if none does",
        );
        Self {
            submitted: counter("submitted_total", "Jobs accepted", &["pool"]),
            jobs: counter(
                "jobs_total",
                "Jobs that are over, by what became of them",
                &["pool", "outcome"],
            ),
            rejected: counter(
                "rejected_total",
                "Jobs given back to the submitter, by reason",
                &["pool", "reason"],
            ),
            level: IntGaugeVec::new(level, &["pool", "of"]).expect(VALID),
            oldest: GaugeVec::new(oldest, &["pool"]).expect(VALID),
            delays: Delays::new(),
            classes: Classes::new(),
        }
    }

    /// The figures of the pools of one name.
    fn set(&mut self, name: &str, pools: &[&dyn Core]) {
        let stats: Stats = pools.iter().map(|pool| pool.stats()).sum();
        let rejected = stats.rejected_by;
        self.submitted
            .with_label_values(&[name])
            .inc_by(stats.submitted);
        for (outcome, value) in [
            ("ran", stats.ran),
            ("panicked", stats.panicked),
            ("cancelled", stats.cancelled),
            ("displaced", stats.displaced),
            ("shed", stats.shed),
            ("expired", stats.expired),
        ] {
            self.jobs.with_label_values(&[name, outcome]).inc_by(value);
        }
        for (reason, value) in [
            ("full", rejected.full),
            ("crowded", rejected.crowded),
            ("closed", rejected.closed),
            ("nested", rejected.nested),
            ("refused", rejected.refused),
            ("timeout", rejected.timeout),
        ] {
            let counter = self.rejected.with_label_values(&[name, reason]);
            counter.inc_by(value);
        }
        for (of, value) in [
            ("queued", stats.queued),
            ("running", stats.running),
            ("waiting", stats.waiting),
            ("workers", stats.workers),
            ("capacity", stats.capacity),
        ] {
            let gauge = self.level.with_label_values(&[name, of]);
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        let oldest = pools.iter().filter_map(|pool| pool.oldest()).max();
        let gauge = self.oldest.with_label_values(&[name]);
        gauge.set(oldest.unwrap_or_default().as_secs_f64());
        self.delays.set(name, pools);
        self.classes.set(name, pools);
    }

    fn vectors(&self) -> [&dyn Collector; 7] {
        let [level, jobs] = self.classes.vectors();
        [
            &self.submitted,
            &self.jobs,
            &self.rejected,
            &self.level,
            &self.oldest,
            level,
            jobs,
        ]
    }

    fn descs(&self) -> Vec<Desc> {
        let vectors = self.vectors().into_iter().flat_map(Collector::desc);
        let mut descs: Vec<_> = vectors.cloned().collect();
        descs.extend([self.delays.desc(), self.classes.desc()]);
        descs
    }
}

impl Collector for PoolCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut by_name = BTreeMap::<_, Vec<&dyn Core>>::new();
        for pool in &self.pools {
            by_name.entry(pool.name()).or_default().push(&**pool);
        }
        let mut metrics = Metrics::new();
        for (name, pools) in by_name {
            metrics.set(name, &pools);
        }
        let vectors = metrics.vectors().into_iter();
        let mut families: Vec<_> = vectors.flat_map(Collector::collect).collect();
        families.extend([metrics.delays.collect(), metrics.classes.collect()]);
        families
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.pools.iter().map(|pool| pool.name());
        f.debug_list().entries(names).finish()
    }
}
