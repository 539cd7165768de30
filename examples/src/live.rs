//! The live page of the admin port, and what it shows, as JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use pool_worker::overload::Level;
use serde::Serialize;

use crate::server::{LatencySnapshot, ServerStats, ServiceStats};
use crate::stack::Watch;

/// The page: one file that asks for [`Live`] each second and draws it.
pub const PAGE: &str = include_str!("live.html");

/// What the page draws. Counts are since the start: the page tells from one to the
/// next what happened between them.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Live {
    /// Whether new work may be sent here.
    pub ready: bool,
    /// Requests taken in.
    pub accepted: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Open connections.
    pub connections: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Objects that were reused.
    pub pool_hits: u64,
    /// Objects that were made.
    pub pool_misses: u64,
    /// By service.
    pub services: Vec<LiveService>,
    /// The alarms.
    pub alarms: LiveAlarms,
}

/// One service. Times are in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct LiveService {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it speaks.
    pub protocol: &'static str,
    /// How long a request for each of its methods may take.
    pub timeouts: BTreeMap<String, f64>,
    /// Requests that have ended.
    pub ended: u64,
    /// Of these, with an error.
    pub errors: u64,
    /// Of these, refused for overload: code 22.
    pub overloaded: u64,
    /// How long handlers took in the last seconds: half, and 99 in 100 of them at most.
    /// None when there were none.
    pub latency: Option<[f64; 2]>,
    /// How long requests waited for a worker, in the same way.
    pub delay: Option<[f64; 2]>,
    /// Whether its requests are handled by workers, rather than in line.
    pub pooled: bool,
    /// What keeps it from overload; none where nothing does but the length of its queue.
    pub control: Option<LiveControl>,
}

/// Who is let in.
#[derive(Clone, Debug, Serialize)]
pub struct LiveControl {
    /// What is less urgent than this priority is refused.
    pub level: u8,
    /// The part of the users whose requests of this very priority are let in.
    pub users: f64,
    /// Requests that wait.
    pub queued: usize,
    /// Requests that run, and the most that may.
    pub running: [usize; 2],
}

/// The alarms.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LiveAlarms {
    /// Raised.
    pub raised: u64,
    /// On their way to Notify.
    pub waiting: u64,
    /// Told before, and so not told again.
    pub duplicates: u64,
    /// Those that were told, by product.
    pub by_product: BTreeMap<String, u64>,
    /// Notifications delivered, by channel.
    pub delivered: BTreeMap<String, u64>,
    /// Notifications given up.
    pub failed: u64,
    /// Of these, those for which their channel had no room.
    pub no_room: u64,
    /// Of which a later state came before.
    pub stale: u64,
    /// Those that all their channels gave up.
    pub untold: u64,
}

/// The part of the users that a level lets in at its own priority.
fn users(level: Level) -> f64 {
    let all = u32::from(Level::ALL.number()) + 1;
    let users = all / (u32::from(Level::ALL.business()) + 1);
    f64::from(u32::from(level.number()) % users + 1) / f64::from(users)
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// Half, and 99 in 100.
fn quantiles(of: &LatencySnapshot) -> Option<[f64; 2]> {
    (of.count > 0).then(|| [micros(of.p50), micros(of.p99)])
}

impl From<&ServiceStats> for LiveService {
    fn from(stats: &ServiceStats) -> Self {
        let control = stats.control.as_ref().map(|control| LiveControl {
            level: control.level.business(),
            users: users(control.level),
            queued: control.total.queued,
            running: [control.total.running, control.total.capacity],
        });
        let timeouts = stats.methods.iter();
        let timeouts = timeouts.map(|method| (method.name.clone(), micros(method.timeout)));
        Self {
            name: stats.name.clone(),
            addr: stats.addr,
            protocol: stats.protocol,
            timeouts: timeouts.collect(),
            ended: stats.latency.count,
            errors: stats.errors.values().sum(),
            overloaded: stats.errors.get(&22).copied().unwrap_or_default(),
            latency: quantiles(&stats.recent_latency),
            delay: stats.recent_delay.as_ref().and_then(quantiles),
            pooled: stats.recent_delay.is_some(),
            control,
        }
    }
}

impl Live {
    /// The figures of now.
    #[must_use]
    pub fn now(watch: &Watch, ready: bool) -> Self {
        let figures = watch.figures();
        let both = [&figures.front, &figures.back];
        let sum = |count: fn(&ServerStats) -> u64| both.map(count).iter().sum();
        let pools = [figures.pools.params, figures.pools.buffers, figures.lines];
        let mut alarms = LiveAlarms {
            raised: figures.raised,
            waiting: figures.waiting,
            duplicates: figures.notify.duplicates,
            stale: figures.notify.stale,
            untold: figures.notify.untold,
            by_product: figures.notify.told.clone(),
            ..LiveAlarms::default()
        };
        for channel in &figures.notify.channels {
            let delivered = channel.delivered;
            alarms.delivered.insert(channel.kind.to_string(), delivered);
            alarms.failed += channel.failed;
            alarms.no_room += channel.no_room;
        }
        Self {
            ready,
            accepted: sum(|server| server.accepted),
            in_flight: sum(|server| server.in_flight),
            connections: sum(|server| server.connections),
            bytes_in: sum(|server| server.bytes_in),
            bytes_out: sum(|server| server.bytes_out),
            pool_hits: pools.iter().map(|pool| pool.hits.total()).sum(),
            pool_misses: pools.iter().map(|pool| pool.misses).sum(),
            services: both
                .iter()
                .flat_map(|server| &server.services)
                .map(LiveService::from)
                .collect(),
            alarms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lets_in_a_part_of_the_users_of_its_priority() {
        assert_eq!(users(Level::ALL), 1.0);
        assert_eq!(users(Level::of(3, 63)), 0.5);
        assert_eq!(users(Level::of(0, 127)), 1.0);
    }
}
