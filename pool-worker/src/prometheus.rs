//! The figures of pools as Prometheus metrics (feature `prometheus`).

use std::fmt;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use crate::any_pool::{AnyPool, Core};
use crate::delay_snapshot::DelaySnapshot;
use crate::overload::ControlStats;

/// A [`Collector`] for the figures of any number of pools, labelled by name.
///
/// It reads them when it is scraped; jobs pay nothing for it. It outlives its
/// pools, and keeps their functions alive. Of a pool that is
/// [controlled](crate::overload) it tells what became of jobs by priority too.
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
#[derive(Default)]
pub struct PoolCollector {
    pools: Vec<Box<dyn Core>>,
}

impl PoolCollector {
    /// One without pools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pool. Its name is the value of the label `pool`.
    #[must_use]
    pub fn pool(mut self, pool: &impl AnyPool) -> Self {
        self.pools.push(pool.keep());
        self
    }
}

/// The metrics, made anew for each scrape.
struct Metrics {
    submitted: IntCounterVec,
    jobs: IntCounterVec,
    rejected: IntCounterVec,
    level: IntGaugeVec,
    oldest: GaugeVec,
    delay: GaugeVec,
    delay_count: IntCounterVec,
    admitted: IntGaugeVec,
    class_jobs: IntCounterVec,
    class_delay: GaugeVec,
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("pool_worker_{name}"), help)
}

impl Metrics {
    fn new() -> Self {
        const VALID: &str = "names and labels are valid";
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(opts(name, help), labels).expect(VALID)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            GaugeVec::new(opts(name, help), labels).expect(VALID)
        };
        let level = opts("level", "Jobs, submitters and workers by what they do");
        let admitted = opts(
            "admitted_level",
            "What is less urgent is refused: priority times 128, and a part of its users",
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
            oldest: gauge(
                "oldest_waiting_seconds",
                "Age of the oldest job that waits for a worker; 0 if none does",
                &["pool"],
            ),
            delay: gauge(
                "delay_seconds",
                "How long jobs were in a stage since the pool was built, by quantile",
                &["pool", "stage", "quantile"],
            ),
            delay_count: counter(
                "delay_count",
                "How many delays were recorded, by stage",
                &["pool", "stage"],
            ),
            admitted: IntGaugeVec::new(admitted, &["pool"]).expect(VALID),
            class_jobs: counter(
                "class_jobs_total",
                "Jobs of a pool that is controlled, by priority and what became of them",
                &["pool", "priority", "outcome"],
            ),
            class_delay: gauge(
                "class_delay_seconds",
                "How long jobs of a priority waited that were run, or not, by quantile",
                &["pool", "priority", "served", "quantile"],
            ),
        }
    }

    fn set(&self, pool: &dyn Core) {
        let name = pool.name();
        let stats = pool.stats();
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
        let tick = pool.tick();
        let oldest = pool.oldest().unwrap_or_default();
        let gauge = self.oldest.with_label_values(&[name]);
        gauge.set(oldest.as_secs_f64());
        for (stage, delay) in ["blocked", "queued", "run"].iter().zip(pool.recorded()) {
            let delay = delay.snapshot(tick);
            let counter = self.delay_count.with_label_values(&[name, stage]);
            counter.inc_by(delay.count);
            for (quantile, value) in quantiles(&delay) {
                let gauge = self.delay.with_label_values(&[name, stage, quantile]);
                gauge.set(value.as_secs_f64());
            }
        }
        if let Some(control) = pool.control() {
            self.set_control(name, &control);
        }
    }

    fn set_control(&self, name: &str, control: &ControlStats) {
        let gauge = self.admitted.with_label_values(&[name]);
        gauge.set(i64::from(control.level.number()));
        for class in &control.classes {
            let priority = &*class.priority.to_string();
            for (outcome, value) in [
                ("ran", class.ran),
                ("panicked", class.panicked),
                ("cancelled", class.cancelled),
                ("shed", class.shed),
                ("expired", class.expired),
                ("displaced", class.displaced),
                ("dropped", class.dropped),
                ("refused", class.refused),
                ("full", class.full),
                ("closed", class.closed),
            ] {
                let labels = [name, priority, outcome];
                self.class_jobs.with_label_values(&labels).inc_by(value);
            }
            for (served, delay) in [("yes", &class.delay), ("no", &class.unserved_delay)] {
                for (quantile, value) in quantiles(delay) {
                    let labels = [name, priority, served, quantile];
                    let gauge = self.class_delay.with_label_values(&labels);
                    gauge.set(value.as_secs_f64());
                }
            }
        }
    }

    fn all(&self) -> [&dyn Collector; 10] {
        [
            &self.submitted,
            &self.jobs,
            &self.rejected,
            &self.level,
            &self.oldest,
            &self.delay,
            &self.delay_count,
            &self.admitted,
            &self.class_jobs,
            &self.class_delay,
        ]
    }
}

fn quantiles(delay: &DelaySnapshot) -> [(&'static str, Duration); 5] {
    [
        ("0.5", delay.p50),
        ("0.9", delay.p90),
        ("0.99", delay.p99),
        ("0.999", delay.p999),
        ("1", delay.max),
    ]
}

impl Collector for PoolCollector {
    fn desc(&self) -> Vec<&Desc> {
        // Unchecked by the registry then, which would have to have them live here.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = Metrics::new();
        for pool in &self.pools {
            metrics.set(&**pool);
        }
        let all = metrics.all();
        all.into_iter().flat_map(Collector::collect).collect()
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.pools.iter().map(|pool| pool.name());
        f.debug_list().entries(names).finish()
    }
}
