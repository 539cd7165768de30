//! What a pool recorded as a histogram of Prometheus.

use prometheus::core::Desc;
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{VALID, opts};
use crate::any_pool::Core;

/// The upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 25] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1,
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// In the order of [`Core::recorded`].
const STAGES: [&str; 3] = ["blocked", "queued", "run"];

const NAME: &str = "delay_seconds";
const HELP: &str = "How long jobs were in a stage";

pub(super) struct Delays(Vec<Metric>);

impl Delays {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn desc() -> Desc {
        let opts = opts(NAME, HELP);
        let labels = vec!["pool".to_owned(), "stage".to_owned()];
        Desc::new(opts.name, opts.help, labels, opts.const_labels).expect(VALID)
    }

    /// The delays of the pools of one name.
    pub(super) fn set(&mut self, name: &str, pools: &[&dyn Core]) {
        let mut sums = [const { ([0; BOUNDS.len()], 0, 0.0) }; STAGES.len()];
        for pool in pools {
            let tick = pool.tick() / 1e9;
            for ((counts, count, sum), recorded) in sums.iter_mut().zip(pool.recorded()) {
                for (ticks, recorded) in recorded.counted() {
                    let time = ticks as f64 * tick;
                    let bucket = BOUNDS.partition_point(|bound| *bound < time);
                    if let Some(bucket) = counts.get_mut(bucket) {
                        *bucket += recorded;
                    }
                    *count += recorded;
                    *sum += time * recorded as f64;
                }
            }
        }
        for (stage, (counts, count, sum)) in STAGES.iter().zip(sums) {
            let mut histogram = Histogram::default();
            histogram.set_sample_count(count);
            histogram.set_sample_sum(sum);
            histogram.set_bucket(cumulative(&counts));
            let mut metric = Metric::from_label(vec![label("pool", name), label("stage", stage)]);
            metric.set_histogram(histogram);
            self.0.push(metric);
        }
    }

    pub(super) fn collect(self) -> MetricFamily {
        let opts = opts(NAME, HELP);
        let mut family = MetricFamily::default();
        family.set_name(opts.name);
        family.set_help(opts.help);
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(self.0);
        family
    }
}

fn cumulative(counts: &[u64]) -> Vec<Bucket> {
    let mut so_far = 0;
    let buckets = BOUNDS.iter().zip(counts).map(|(bound, count)| {
        so_far += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    buckets.collect()
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}
