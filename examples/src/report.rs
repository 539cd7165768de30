//! The end of a run: a table for people, JSON for machines.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;
use serde::Serialize;

use crate::load::figures::CallSnapshot;
use crate::quantiles::Quantiles;
use crate::stack::StackFigures;

/// What became of one channel's notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChannelReport {
    /// Notifications delivered.
    pub delivered: u64,
    /// Notifications given up: refused for good, not taken in time, or without room.
    pub failed: u64,
    /// Of those, the ones for which there was no room.
    pub no_room: u64,
    /// Notifications neither delivered nor given up.
    pub open: u64,
}

/// What an object pool did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolReport {
    /// Objects that were reused.
    pub hits: u64,
    /// Objects that were made.
    pub misses: u64,
}

/// What the server did, if it ran here.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServerReport {
    /// From a request's acceptance to its start on a worker, for `alarm.Check`.
    pub schedule_delay_us: Quantiles,
    /// The same for every service with a worker pool.
    pub schedule_delay_us_by_service: BTreeMap<String, Quantiles>,
    /// By object pool.
    pub object_pools: BTreeMap<String, PoolReport>,
    /// Alarms raised by `alarm.Check`.
    pub alarms: u64,
    /// Alarms kept back by a shield time.
    pub suppressed: u64,
    /// Alarms told already a short while before.
    pub duplicates: u64,
    /// Alarms of which a later state was told before.
    pub stale: u64,
    /// Alarms of a policy that is not there, or has no channel.
    pub untellable: u64,
    /// Alarms told on at least one channel.
    pub told: u64,
    /// Alarms that all their channels gave up.
    pub untold: u64,
    /// By channel.
    pub channels: BTreeMap<String, ChannelReport>,
    /// Requests that the services accepted.
    pub accepted: u64,
}

/// The report of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Calls sent.
    pub calls: u64,
    /// Calls that ended with an error.
    pub errors: u64,
    /// The same, by code.
    pub errors_by_code: BTreeMap<i32, u64>,
    /// From the moment a call was handed to the runtime to its answer.
    pub latency_us: Quantiles,
    /// Readings of this machine among the points.
    pub host_points: u64,
    /// What was accepted and came to nothing: calls without an end, requests
    /// without a reply, alarms and notifications without an outcome.
    pub lost: u64,
    /// How long load was sent, in seconds.
    pub seconds: f64,
    /// What the server did, if it ran here.
    #[serde(flatten)]
    pub server: Option<ServerReport>,
}

impl Report {
    /// The report of calls sent for so long, to a server here or elsewhere.
    #[must_use]
    pub fn new(calls: CallSnapshot, seconds: f64, server: Option<&StackFigures>) -> Self {
        let unanswered = calls.begun.saturating_sub(calls.ended);
        Self {
            calls: calls.begun,
            errors: calls.errors.values().sum(),
            errors_by_code: calls.errors,
            latency_us: calls.latency,
            host_points: calls.host_points,
            lost: unanswered + server.map_or(0, StackFigures::lost),
            seconds,
            server: server.map(StackFigures::report),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut calls = table(&["", "count", "p50", "p90", "p99", "p99.9", "max"]);
        calls.add_row(row("latency (us)", &self.latency_us));
        for (service, delay) in self
            .server
            .iter()
            .flat_map(|s| &s.schedule_delay_us_by_service)
        {
            calls.add_row(row(&format!("schedule delay of {service} (us)"), delay));
        }
        writeln!(f, "{calls}")?;

        let mut counts = table(&["", "count"]);
        let mut add = |what: &str, count: u64| {
            counts.add_row([what.to_owned(), HumanCount(count).to_string()]);
        };
        add("calls", self.calls);
        for (code, count) in &self.errors_by_code {
            add(&format!("errors with code {code}"), *count);
        }
        if self.errors_by_code.is_empty() {
            add("errors", 0);
        }
        add("readings of this machine", self.host_points);
        if let Some(server) = &self.server {
            for (pool, figures) in &server.object_pools {
                add(&format!("{pool}: reused"), figures.hits);
                add(&format!("{pool}: made"), figures.misses);
            }
            add("alarms raised", server.alarms);
            add("alarms suppressed: shield time", server.suppressed);
            add("alarms suppressed: told already", server.duplicates);
            add("alarms told", server.told);
            for (channel, figures) in &server.channels {
                add(&format!("delivered by {channel}"), figures.delivered);
            }
            let mut add_if_any = |what: &str, count: u64| {
                if count > 0 {
                    add(what, count);
                }
            };
            add_if_any("alarms suppressed: over before they came", server.stale);
            add_if_any("alarms that cannot be told", server.untellable);
            add_if_any("alarms that nobody was told of", server.untold);
            for (channel, figures) in &server.channels {
                add_if_any(&format!("given up by {channel}"), figures.failed);
                add_if_any(&format!("no room for {channel}"), figures.no_room);
                add_if_any(&format!("not delivered by {channel}"), figures.open);
            }
        }
        add("lost", self.lost);
        write!(f, "{counts}")
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(what: &str, quantiles: &Quantiles) -> Vec<String> {
    let Quantiles {
        count,
        p50,
        p90,
        p99,
        p999,
        max,
    } = quantiles;
    let mut row = vec![what.to_owned(), HumanCount(*count).to_string()];
    row.extend([p50, p90, p99, p999, max].map(|micros| format!("{micros:.0}")));
    row
}
