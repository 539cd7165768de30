//! What pools recorded as histograms of Prometheus.

use prometheus::core::Desc;
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{VALID, opts};
use crate::histogram::Merged;

/// The upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 25] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1,
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// The histograms of one metric.
pub(super) struct Histograms {
    name: &'static str,
    help: &'static str,
    /// In the order of the alphabet.
    labels: &'static [&'static str],
    metrics: Vec<Metric>,
}

/// What some pools recorded together.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    counts: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Sum {
    /// Where a tick takes so many nanoseconds.
    pub(super) fn add(&mut self, recorded: &Merged, tick: f64) {
        for (ticks, count) in recorded.counted() {
            let time = ticks as f64 * tick / 1e9;
            let bucket = BOUNDS.partition_point(|bound| *bound < time);
            if let Some(bucket) = self.counts.get_mut(bucket) {
                *bucket += count;
            }
            self.count += count;
            self.seconds += time * count as f64;
        }
    }
}

impl Histograms {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        let metrics = Vec::new();
        Self {
            name,
            help,
            labels,
            metrics,
        }
    }

    pub(super) fn desc(&self) -> Desc {
        let opts = opts(self.name, self.help);
        let labels = self.labels.iter().map(ToString::to_string).collect();
        Desc::new(opts.name, opts.help, labels, opts.const_labels).expect(VALID)
    }

    pub(super) fn push<const N: usize>(&mut self, values: [&str; N], sum: &Sum) {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(sum.count);
        histogram.set_sample_sum(sum.seconds);
        histogram.set_bucket(cumulative(&sum.counts));
        let labels = self.labels.iter().zip(values);
        let labels = labels.map(|(name, value)| label(name, value));
        let mut metric = Metric::from_label(labels.collect());
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    pub(super) fn collect(self) -> MetricFamily {
        let opts = opts(self.name, self.help);
        let mut family = MetricFamily::default();
        family.set_name(opts.name);
        family.set_help(opts.help);
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(self.metrics);
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
