//! The figures as Prometheus text.

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::logging::{self, Dropped};
use crate::quantiles::Quantiles;
use crate::server::{ServerStats, ServiceStats};
use crate::stack::StackFigures;

const DELAY: (&str, &str) = (
    "schedule_delay_seconds",
    "From a request's acceptance to its start on a worker",
);
const LATENCY: (&str, &str) = ("latency_seconds", "How long handlers take");

/// Renders the figures in the text format of Prometheus.
#[must_use]
pub fn render(figures: &StackFigures) -> String {
    let mut page = Page::default();
    let servers = [("front", &figures.front), ("notify", &figures.back)];
    let by_server = |value: fn(&ServerStats) -> u64| {
        servers.map(|(name, stats)| (vec![("server", name.to_owned())], value(stats)))
    };
    page.counters(
        "requests_accepted_total",
        "Requests accepted",
        by_server(|s| s.accepted),
    );
    page.counters(
        "requests_replied_total",
        "Requests replied to",
        by_server(|s| s.replied),
    );
    page.counters(
        "requests_panicked_total",
        "Handlers that panicked",
        by_server(|s| s.panics),
    );
    page.counters("bytes_read_total", "Bytes read", by_server(|s| s.bytes_in));
    page.counters(
        "bytes_written_total",
        "Bytes written",
        by_server(|s| s.bytes_out),
    );
    page.gauges(
        "connections",
        "Open connections",
        by_server(|s| s.connections),
    );
    page.gauges(
        "requests_in_flight",
        "Requests under way",
        by_server(|s| s.in_flight),
    );
    page.counters(
        "request_errors_total",
        "Requests that ended with an error, by code",
        servers.iter().flat_map(|(name, stats)| {
            stats.errors.iter().map(|(code, count)| {
                (
                    vec![("server", (*name).to_owned()), ("code", code.to_string())],
                    *count,
                )
            })
        }),
    );

    for (_, stats) in servers {
        for service in &stats.services {
            page.service(service);
        }
    }

    let report = figures.report();
    for (service, delay) in &report.schedule_delay_us_by_service {
        page.quantiles(DELAY, service, delay);
        let counts = [(vec![("service", service.clone())], delay.count)];
        page.counters(
            "schedule_delays_total",
            "Requests that started on a worker",
            counts,
        );
    }
    let pools = || report.object_pools.iter();
    let pool = |name: &str| vec![("pool", name.to_owned())];
    page.counters(
        "object_pool_hits_total",
        "Objects that were reused",
        pools().map(|(name, figures)| (pool(name), figures.hits)),
    );
    page.counters(
        "object_pool_misses_total",
        "Objects that were made",
        pools().map(|(name, figures)| (pool(name), figures.misses)),
    );

    let one = |count| [(Vec::new(), count)];
    page.counters(
        "points_checked_total",
        "Points checked",
        one(figures.points),
    );
    page.counters("alarms_raised_total", "Alarms raised", one(figures.raised));
    page.counters(
        "alarms_shielded_total",
        "Alarms kept back",
        one(report.suppressed),
    );
    page.counters(
        "alarms_duplicate_total",
        "Alarms told before",
        one(report.duplicates),
    );
    page.gauges(
        "alarms_waiting",
        "Alarms that wait for Notify",
        one(figures.waiting),
    );
    let channels = || report.channels.iter();
    let channel = |name: &str| vec![("channel", name.to_owned())];
    page.counters(
        "notifications_delivered_total",
        "Notifications delivered",
        channels().map(|(name, figures)| (channel(name), figures.delivered)),
    );
    page.counters(
        "notifications_failed_total",
        "Notifications given up",
        channels().map(|(name, figures)| (channel(name), figures.failed)),
    );
    page.log();
    page.text()
}

type Labels = Vec<(&'static str, String)>;

#[derive(Default)]
struct Page(Vec<MetricFamily>);

impl Page {
    fn counters(&mut self, name: &str, help: &str, all: impl IntoIterator<Item = (Labels, u64)>) {
        self.family(name, help, MetricType::COUNTER, all, |metric, value| {
            let mut counter = Counter::default();
            counter.set_value(value as f64);
            metric.set_counter(counter);
        });
    }

    fn gauges(&mut self, name: &str, help: &str, all: impl IntoIterator<Item = (Labels, u64)>) {
        self.family(name, help, MetricType::GAUGE, all, |metric, value| {
            let mut gauge = Gauge::default();
            gauge.set_value(value as f64);
            metric.set_gauge(gauge);
        });
    }

    /// What the log could not say.
    fn log(&mut self) {
        for Dropped { sink, full, failed } in logging::dropped() {
            let ends = [("full", full), ("failed", failed)];
            self.counters(
                "log_lines_dropped_total",
                "Log lines that a sink could not take: its queue was full, or writing failed",
                ends.map(|(why, count)| {
                    let labels = vec![("sink", sink.clone()), ("reason", why.to_owned())];
                    (labels, count)
                }),
            );
        }
        self.counters(
            "log_lines_suppressed_total",
            "Log lines of which there were too many in a second",
            [(Vec::new(), logging::suppressed())],
        );
    }

    /// How many, how many of them failed and how long they took.
    fn service(&mut self, stats: &ServiceStats) {
        let of = |more: &[(&'static str, String)]| {
            let mut labels = vec![("service", stats.name.clone())];
            labels.extend_from_slice(more);
            labels
        };
        let ended = stats.latency.count;
        let failed: u64 = stats.errors.values().sum();
        let ends = [("ok", ended.saturating_sub(failed)), ("failed", failed)];
        self.counters(
            "service_requests_total",
            "Requests that ended, by how",
            ends.map(|(end, count)| (of(&[("end", end.to_owned())]), count)),
        );
        self.counters(
            "service_errors_total",
            "Requests that failed, by code",
            stats
                .errors
                .iter()
                .map(|(code, count)| (of(&[("code", code.to_string())]), *count)),
        );
        self.counters(
            "connections_broken_total",
            "Connections that did not end well, by reason",
            stats
                .broken
                .iter()
                .map(|(why, count)| (of(&[("reason", (*why).to_owned())]), *count)),
        );
        if let Some(control) = &stats.control {
            let waiting = [(of(&[]), control.queued as u64)];
            self.gauges("requests_waiting", "Requests that wait", waiting);
        }
        self.quantiles(LATENCY, &stats.name, &stats.latency.into());
    }

    /// Quantiles since the start: a summary without a sum, so a gauge.
    fn quantiles(&mut self, (name, help): (&str, &str), service: &str, delay: &Quantiles) {
        let Quantiles {
            p50,
            p90,
            p99,
            p999,
            max,
            ..
        } = *delay;
        let of = |quantile: &str| {
            vec![
                ("service", service.to_owned()),
                ("quantile", quantile.to_owned()),
            ]
        };
        let all = [
            ("0.5", p50),
            ("0.9", p90),
            ("0.99", p99),
            ("0.999", p999),
            ("1", max),
        ];
        self.family(
            name,
            help,
            MetricType::GAUGE,
            all.map(|(quantile, micros)| (of(quantile), micros / 1e6)),
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

    fn text(mut self) -> String {
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
