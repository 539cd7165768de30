//! What the services did, for whoever looks on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pool_worker::overload::ControlStats;

use crate::alarm::channel::{Memory, Notification};
use crate::alarm::check::Checker;
use crate::alarm::log_file;
use crate::alarm::notify::{Notifier, NotifyFigures};
use crate::alarm::outbox::Outbox;
use crate::alarm::policy::ChannelKind;
use crate::client::ClientFigures;
use crate::report::{ChannelReport, PoolReport, ServerReport};
use crate::server::{ConnectionStats, ObjectPools, ServerStats, StatsHandle};

/// Looks on without keeping anything from being stopped.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(super) front: StatsHandle,
    pub(super) back: StatsHandle,
    pub(super) checker: Arc<Checker>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) memory: Arc<Memory>,
    pub(super) received: Option<Arc<AtomicU64>>,
}

impl Watch {
    /// The figures of now.
    #[must_use]
    pub fn figures(&self) -> StackFigures {
        // What comes late in an alarm's way is read first, so that nothing
        // on its way looks as if it came out of nowhere.
        let received = self.received.as_ref().map(|count| count.load(Relaxed));
        let notify = self.notifier.figures();
        StackFigures {
            received,
            notify,
            notify_client: self.outbox.client(),
            handed_over: self.outbox.acknowledged(),
            waiting: self.outbox.waiting(),
            raised: self.checker.raised(),
            points: self.checker.points(),
            pools: ObjectPools::now(),
            lines: log_file::line_buffers(),
            back: self.back.stats(),
            front: self.front.stats(),
        }
    }

    /// The open connections.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionStats> {
        let mut connections = self.front.connections();
        connections.extend(self.back.connections());
        connections
    }

    /// The last alarms that were told, oldest first.
    #[must_use]
    pub fn last_alarms(&self) -> Vec<Arc<Notification>> {
        self.memory.last()
    }
}

/// What the services did.
#[derive(Clone, Debug)]
pub struct StackFigures {
    /// Echo and Check.
    pub front: ServerStats,
    /// Notify.
    pub back: ServerStats,
    /// The object pools of the servers.
    pub pools: ObjectPools,
    /// The pool of the alarm log's line buffers.
    pub lines: pool_object::Stats,
    /// Points checked.
    pub points: u64,
    /// Alarms raised.
    pub raised: u64,
    /// Alarms that Notify has said it took.
    pub handed_over: u64,
    /// Alarms that wait to be handed over to Notify, those in calls included.
    pub waiting: u64,
    /// What Notify did.
    pub notify: NotifyFigures,
    /// What the client did that calls it.
    pub notify_client: ClientFigures,
    /// Notifications that the local receiver took in.
    pub received: Option<u64>,
}

impl StackFigures {
    /// What was accepted and came to nothing. Meant for after the stop:
    /// before it, what is under way counts.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let unanswered = self.front.lost + self.back.lost;
        // Counted where they are put in and acknowledged: what Notify says it was told
        // counts repetitions, and what others have told it.
        let not_handed_over = self.raised.saturating_sub(self.handed_over);
        let undelivered: u64 = self
            .notify
            .channels
            .iter()
            .map(|channel| channel.open)
            .sum();
        let posted = self
            .notify
            .channels
            .iter()
            .find(|c| c.kind == ChannelKind::Webhook);
        let unreceived = match (posted, self.received) {
            (Some(posted), Some(received)) => posted.delivered.saturating_sub(received),
            _ => 0,
        };
        unanswered + not_handed_over + self.notify.untold + undelivered + unreceived
    }

    /// What became of the requests for a controlled service, by priority.
    #[must_use]
    pub fn control(&self, service: &str) -> Option<&ControlStats> {
        let services = self.front.services.iter().chain(&self.back.services);
        let mut named = services.filter(|stats| stats.name == service);
        named.next()?.control.as_ref()
    }

    /// All of it, for a report.
    #[must_use]
    pub fn report(&self) -> ServerReport {
        let mut report = ServerReport {
            alarms: self.raised,
            suppressed: self.notify.shielded,
            duplicates: self.notify.duplicates,
            stale: self.notify.stale,
            untellable: self.notify.untellable,
            told: self.notify.told.values().sum(),
            untold: self.notify.untold,
            accepted: self.front.accepted + self.back.accepted,
            ..ServerReport::default()
        };
        for channel in &self.notify.channels {
            let figures = ChannelReport {
                delivered: channel.delivered,
                failed: channel.failed,
                no_room: channel.no_room,
                open: channel.open,
            };
            report.channels.insert(channel.kind.to_string(), figures);
        }
        for service in self.front.services.iter().chain(&self.back.services) {
            if let Some(delay) = service.delay {
                report
                    .schedule_delay_us_by_service
                    .insert(service.name.clone(), delay.into());
            }
        }
        let ObjectPools { params, buffers } = self.pools;
        let (lines, own) = (self.lines, "line buffers of the alarm log");
        for (pool, hits, misses) in [
            ("parameters of requests", params.hits.total(), params.misses),
            ("buffers of frames", buffers.hits.total(), buffers.misses),
            (own, lines.hits.total(), lines.misses),
        ] {
            report
                .object_pools
                .insert(pool.to_owned(), PoolReport { hits, misses });
        }
        let check = report.schedule_delay_us_by_service.get("alarm.Check");
        report.schedule_delay_us = check.copied().unwrap_or_default();
        report
    }
}
