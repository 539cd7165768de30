//! The figures of services: of each method the golden three, of each pool its queue.

use pool_worker::overload::ControlStats;

use super::page::Page;
use crate::server::{MethodStats, ServiceStats};

const LATENCY: (&str, &str) = ("latency_seconds", "How long handlers take");
const DELAY: (&str, &str) = (
    "schedule_delay_seconds",
    "From a request's reading to its start on a worker",
);
const METHOD_LATENCY: (&str, &str) = (
    "method_latency_seconds",
    "How long the handlers of a method take",
);

impl Page {
    /// How many, how many of them failed and how long they took.
    pub(super) fn service(&mut self, stats: &ServiceStats) {
        let of = |more: &[(&'static str, String)]| {
            let mut labels = vec![("service", stats.name.clone())];
            labels.extend_from_slice(more);
            labels
        };
        let failed: u64 = stats.errors.values().sum();
        let ends = [("ok", stats.succeeded), ("failed", failed)];
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
        self.counters(
            "accept_failures_total",
            "Times that a connection could not be accepted",
            [(of(&[]), stats.accept_failures)],
        );
        if let Some(load) = stats.load {
            for (name, help, count) in [
                ("requests_waiting", "Requests that wait", load.queued),
                ("workers_busy", "Requests that run on workers", load.running),
                (
                    "workers_limit",
                    "Requests that may run on workers",
                    load.capacity,
                ),
            ] {
                self.gauges(name, help, [(of(&[]), count as u64)]);
            }
        }
        if let Some(control) = &stats.control {
            self.control(&of(&[]), control);
        }
        self.histogram(LATENCY, &of(&[]), &stats.latency);
        if let Some(waited) = &stats.waited {
            self.histogram(DELAY, &of(&[]), waited);
        }
        for method in &stats.methods {
            self.method(&of(&[("method", method.name.clone())]), method);
        }
    }

    /// Who is let in, and what became of requests by how urgent they were.
    fn control(&mut self, labels: &[(&'static str, String)], control: &ControlStats) {
        self.gauges(
            "admitted_level",
            "What is less urgent is refused: priority times 128, and a part of its users",
            [(labels.to_vec(), u64::from(control.level.number()))],
        );
        let ends = control.classes.iter().flat_map(|class| {
            let ends = [
                ("ran", class.ran),
                ("panicked", class.panicked),
                ("cancelled", class.cancelled),
                ("refused", class.refused),
                ("full", class.full),
                ("closed", class.closed),
                ("shed", class.shed),
                ("expired", class.expired),
                ("displaced", class.displaced),
                ("dropped", class.dropped),
            ];
            ends.map(|(end, count)| {
                let priority = ("priority", class.priority.to_string());
                let end = ("end", end.to_owned());
                ([labels, &[priority, end]].concat(), count)
            })
        });
        self.counters(
            "control_requests_total",
            "Requests for a controlled service, by priority and what became of them",
            ends,
        );
    }

    /// The golden three: errors, latency, success.
    fn method(&mut self, labels: &[(&'static str, String)], stats: &MethodStats) {
        let of = |name: &'static str, value: String| [labels, &[(name, value)]].concat();
        let failed: u64 = stats.errors.values().sum();
        self.counters(
            "method_requests_total",
            "Requests for a method that ended, by how",
            [("ok", stats.succeeded), ("failed", failed)]
                .map(|(end, count)| (of("end", end.to_owned()), count)),
        );
        let errors = stats.errors.iter();
        self.counters(
            "method_errors_total",
            "Requests for a method that failed, by code",
            errors.map(|(code, count)| (of("code", code.to_string()), *count)),
        );
        self.histogram(METHOD_LATENCY, labels, &stats.latency);
    }
}
