//! The end of a run: a table for people, JSON for machines.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;
use serde::Serialize;

use crate::load::figures::CallSnapshot;
use crate::load::overload::OverloadReport;
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

/// What was sent, and what came back.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Calls of `alarm.Check`.
    pub checks: CallSnapshot,
    /// Calls of Echo, where there were some.
    pub echoes: Option<CallSnapshot>,
    /// More than could be served, where that was tried.
    pub overload: Option<OverloadReport>,
    /// How long Check and Echo were called, in seconds.
    pub seconds: f64,
}

/// Calls of Echo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EchoReport {
    /// Calls sent.
    pub calls: u64,
    /// Calls that ended with an error, or another answer than what was sent; by code.
    pub errors_by_code: BTreeMap<i32, u64>,
    /// From the moment a call was handed to the runtime to its answer.
    pub latency_us: Quantiles,
}

/// The report of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Calls of `alarm.Check` sent.
    pub calls: u64,
    /// Calls that ended with an error.
    pub errors: u64,
    /// The same, by code.
    pub errors_by_code: BTreeMap<i32, u64>,
    /// From the moment a call was handed to the runtime to its answer.
    pub latency_us: Quantiles,
    /// The calls of Echo, where there were some.
    pub echo: Option<EchoReport>,
    /// What became of calls of which there were too many, where that was tried.
    pub overload: Option<OverloadReport>,
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
    /// Calls that ended with an error; those of which there were too many on purpose apart.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let echo = self.echo.as_ref();
        let of_echo = echo.map_or(0, |echo| echo.errors_by_code.values().sum::<u64>());
        self.errors + of_echo
    }

    /// The report of what was sent to a server here or elsewhere.
    #[must_use]
    pub fn new(sent: Sent, server: Option<&StackFigures>) -> Self {
        let Sent {
            checks,
            echoes,
            overload,
            seconds,
        } = sent;
        let open = |calls: &CallSnapshot| calls.begun.saturating_sub(calls.ended);
        let unanswered = open(&checks)
            + echoes.as_ref().map_or(0, open)
            + overload.as_ref().map_or(0, |overload| overload.unanswered);
        Self {
            calls: checks.begun,
            errors: checks.errors.values().sum(),
            errors_by_code: checks.errors,
            latency_us: checks.latency,
            echo: echoes.map(|echoes| EchoReport {
                calls: echoes.begun,
                errors_by_code: echoes.errors,
                latency_us: echoes.latency,
            }),
            overload,
            host_points: checks.host_points,
            lost: unanswered + server.map_or(0, StackFigures::lost),
            seconds,
            server: server.map(StackFigures::report),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut calls = table(&["", "count", "p50", "p90", "p99", "p99.9", "max"]);
        calls.add_row(row("alarm.Check (us)", &self.latency_us));
        if let Some(echo) = &self.echo {
            calls.add_row(row("Echo (us)", &echo.latency_us));
        }
        for (service, delay) in self
            .server
            .iter()
            .flat_map(|s| &s.schedule_delay_us_by_service)
        {
            calls.add_row(row(&format!("schedule delay of {service} (us)"), delay));
        }
        writeln!(f, "{calls}")?;
        if let Some(overload) = &self.overload {
            writeln!(f, "{}", overloaded(overload))?;
        }

        let mut counts = table(&["", "count"]);
        let mut add = |what: &str, count: u64| {
            counts.add_row([what.to_owned(), HumanCount(count).to_string()]);
        };
        let echo = self.echo.as_ref();
        add("calls of alarm.Check", self.calls);
        if let Some(echo) = echo {
            add("calls of Echo", echo.calls);
        }
        let none = BTreeMap::new();
        let echo_errors = echo.map_or(&none, |echo| &echo.errors_by_code);
        for (code, count) in &self.errors_by_code {
            add(&format!("errors with code {code}"), *count);
        }
        for (code, count) in echo_errors {
            add(&format!("errors of Echo with code {code}"), *count);
        }
        if self.errors_by_code.is_empty() && echo_errors.is_empty() {
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

/// More than could be served: what became of each call; and, in the last four columns, why
/// the service turned calls away.
fn overloaded(overload: &OverloadReport) -> Table {
    let title = format!(
        "overload: {} calls/s for {}",
        HumanCount(overload.offered_per_second as u64),
        HumanCount(overload.capacity_per_second.into())
    );
    let mut table = table(&[
        &title,
        "calls",
        "served",
        "p99 (us)",
        "not sent",
        "refused",
        "late",
        "failed",
        "not let in",
        "shed",
        "no room",
        "expired",
    ]);
    for (name, class) in overload.by_urgency() {
        let count = |count: u64| HumanCount(count).to_string();
        let why = class.by_service;
        table.add_row([
            name.to_owned(),
            count(class.calls),
            count(class.served),
            format!("{:.0}", class.latency_us.p99),
            count(class.not_sent),
            count(class.refused),
            count(class.late),
            count(class.failed),
            count(why.not_let_in),
            count(why.shed),
            count(why.no_room),
            count(why.expired),
        ]);
    }
    table
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
