//! The eight figures of a client, as the notes list them.

use std::fmt::Display;

use super::page::{Labels, Page};
use crate::client::{ClientFigures, Quantities};

const BATCH_BYTES: (&str, &str) = ("client_batch_bytes", "The size of what went with a call");
const BATCH_TIME: (&str, &str) = (
    "client_batch_seconds",
    "How long calls took, retries included",
);

impl Page {
    /// Of the client that calls `service`.
    pub(super) fn client(&mut self, service: &str, figures: &ClientFigures) {
        let of = || vec![("client", service.to_owned())];
        let by = |name: &'static str, value: &dyn Display| -> Labels {
            [of(), vec![(name, value.to_string())]].concat()
        };
        let codes = figures.errors.iter();
        self.counters(
            "client_errors_total",
            "Attempts that failed, by code",
            codes.map(|(code, count)| (by("code", code), *count)),
        );
        let servers = figures.retries.iter();
        self.counters(
            "client_retries_total",
            "Calls made again, by the server that failed before",
            servers.map(|(server, count)| (by("server", server), *count)),
        );
        let servers = figures.timeouts.iter();
        self.counters(
            "client_timeouts_total",
            "Attempts without an answer in time, by server",
            servers.map(|(server, count)| (by("server", server), *count)),
        );
        let codes = figures.messages.iter();
        self.counters(
            "client_messages_total",
            "Calls that ended, by code; 0 is success",
            codes.map(|(code, count)| (by("code", code), *count)),
        );
        let reasons = figures.updates.iter();
        self.counters(
            "client_connection_updates_total",
            "Changes of the connections, by reason",
            reasons.map(|(reason, count)| (by("reason", reason), *count)),
        );
        let servers = figures.pending.iter();
        self.gauges(
            "client_pending",
            "Calls that wait for their answer, by server",
            servers.map(|(server, count)| (by("server", server), *count)),
        );
        self.quantiles(BATCH_BYTES, &of(), shown(&figures.batch_bytes, 1.0));
        self.quantiles(BATCH_TIME, &of(), shown(&figures.batch_micros, 1e6));
    }
}

fn shown(of: &Quantities, unit: f64) -> [(&'static str, f64); 4] {
    [
        ("0.5", of.p50),
        ("0.9", of.p90),
        ("0.99", of.p99),
        ("1", of.max),
    ]
    .map(|(quantile, value)| (quantile, value as f64 / unit))
}
