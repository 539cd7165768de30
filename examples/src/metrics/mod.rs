//! The figures as Prometheus text.

mod alarms;
mod client;
mod page;
mod services;

use crate::logging::{self, Dropped};
use crate::server::{ObjectPools, ServerStats};
use crate::stack::StackFigures;
use page::Page;

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
        "requests_abandoned_total",
        "Requests whose peer was gone before it could be replied to",
        by_server(|s| s.abandoned),
    );
    page.counters(
        "requests_lost_total",
        "Requests that came to nothing, for the server would not wait any longer",
        by_server(|s| s.lost),
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

    let ObjectPools { params, buffers } = figures.pools;
    for (name, stats) in [
        ("parameters of requests", params),
        ("buffers of frames", buffers),
        ("line buffers of the alarm log", figures.lines),
    ] {
        let idle = [(pool(name), stats.idle)];
        page.gauges("object_pool_idle", "Objects that wait to be used", idle);
        let dropped = [(pool(name), stats.dropped.total())];
        page.counters(
            "object_pool_dropped_total",
            "Objects that were not kept",
            dropped,
        );
    }
    page.client("alarm.Notify", &figures.notify_client);

    page.alarms(figures);
    page.log();
    page.text()
}

impl Page {
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
}
