//! A page in the text format of Prometheus.

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use crate::server::LatencySnapshot;

pub(super) type Labels = Vec<(&'static str, String)>;

#[derive(Default)]
pub(super) struct Page(Vec<MetricFamily>);

impl Page {
    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        self.family(name, help, MetricType::COUNTER, all, |metric, value| {
            let mut counter = Counter::default();
            counter.set_value(value as f64);
            metric.set_counter(counter);
        });
    }

    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        self.family(name, help, MetricType::GAUGE, all, |metric, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value as f64);
            metric.set_gauge(gauge);
        });
    }

    /// How long things took, since the start: what Prometheus can make quantiles of any
    /// time from, and add up over many servers.
    pub(super) fn histogram(
        &mut self,
        (name, help): (&str, &str),
        labels: &[(&'static str, String)],
        latency: &LatencySnapshot,
    ) {
        let all = [(labels.to_vec(), latency)];
        self.family(name, help, MetricType::HISTOGRAM, all, |metric, latency| {
            let mut histogram = Histogram::default();
            histogram.set_sample_count(latency.count);
            histogram.set_sample_sum(latency.sum.as_secs_f64());
            let buckets = latency.buckets().map(|(end, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(end.as_secs_f64());
                bucket.set_cumulative_count(count);
                bucket
            });
            histogram.set_bucket(buckets.collect());
            metric.set_histogram(histogram);
        });
    }

    /// Quantiles since the start: a summary without a sum, so a gauge.
    pub(super) fn quantiles<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        labels: &[(&'static str, String)],
        all: [(&str, f64); N],
    ) {
        let of = |quantile: &str| {
            let mut labels = labels.to_vec();
            labels.push(("quantile", quantile.to_owned()));
            labels
        };
        self.family(
            name,
            help,
            MetricType::GAUGE,
            all.map(|(quantile, value)| (of(quantile), value)),
            |metric, value| {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            },
        );
    }

    fn family<V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        all: impl IntoIterator<Item = (Labels, V)>,
        set: impl Fn(&mut Metric, V),
    ) {
        let metrics = all.into_iter().map(|(labels, value)| {
            let mut metric = Metric::from_label(labels.into_iter().map(label).collect());
            set(&mut metric, value);
            metric
        });
        let name = format!("rpc_demo_{name}");
        // A family that is there already (of another service) is gone on with.
        if let Some(family) = self.0.iter_mut().find(|family| family.name() == name) {
            family.mut_metric().extend(metrics);
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name);
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics.collect());
        self.0.push(family);
    }

    pub(super) fn text(mut self) -> String {
        // The encoder refuses families without a metric.
        self.0.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new()
            .encode_to_string(&self.0)
            .unwrap_or_else(|error| {
                tracing::error!(%error, "metrics cannot be rendered");
                String::new()
            })
    }
}

fn label((name, value): (&str, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}
