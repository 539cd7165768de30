//! The services, the admin port and what they share, started and stopped
//! together.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use errgroup::Group;
use pool_worker::overload::{Codel, Control, Dagor};

use crate::admin::Admin;
use crate::alarm::channel::{Channel, Memory, Notification};
use crate::alarm::check::Checker;
use crate::alarm::log_file::{self, LogFile};
use crate::alarm::notify::{Notifier, NotifyFigures, NotifyOptions};
use crate::alarm::outbox::Outbox;
use crate::alarm::policy::ChannelKind;
use crate::alarm::service;
use crate::alarm::store::PolicyStore;
use crate::alarm::webhook::{Receiver, Webhook};
use crate::client::{Balanced, BalancedOptions, ClientFigures, Retry};
use crate::config::Settings;
use crate::report::{ChannelReport, PoolReport, ServerReport};
use crate::server::{
    BindError, ConnectionStats, ObjectPools, PoolOptions, Server, ServerStats, StatsHandle,
};

/// How many alarms the memory channel keeps.
const KEEP_ALARMS: usize = 1_000;

/// Why the services did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A service's address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin port's address cannot be had.
    #[error("admin port: cannot listen at {addr}: {source}")]
    Admin {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The alarm log cannot be written.
    #[error("alarm log {}: {source}", path.display())]
    AlarmLog {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The local webhook receiver did not start.
    #[error("webhook receiver: {0}")]
    Receiver(std::io::Error),
}

/// The running whole.
#[derive(Debug)]
pub struct Stack {
    /// Echo and Check, which are stopped first.
    front: Server,
    /// Notify, which Check calls.
    back: Server,
    admin: Admin,
    receiver: Option<Receiver>,
    watch: Watch,
    addrs: Addrs,
    /// Between the end of being ready and the closing of the ports.
    lame_duck: Duration,
}

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Addrs {
    /// Echo.
    pub echo: SocketAddr,
    /// `alarm.Check`.
    pub check: SocketAddr,
    /// `alarm.Notify`.
    pub notify: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
}

impl Stack {
    /// Starts everything; `admin` is told when it is ready.
    ///
    /// # Errors
    /// When an address or the alarm log cannot be had.
    pub async fn start(
        settings: &Settings,
        store: Arc<PolicyStore>,
        admin: Admin,
    ) -> Result<Self, StartError> {
        let listen = settings.listen;
        let receiver = match settings.webhook {
            Some(_) => None,
            None => Some(Receiver::start().await.map_err(StartError::Receiver)?),
        };
        let target = settings
            .webhook
            .clone()
            .or(receiver.as_ref().map(Receiver::target));
        let target = target.expect("a target was given, or there is a receiver");
        let log = LogFile::open(&settings.alarm_log).map_err(|source| StartError::AlarmLog {
            path: settings.alarm_log.clone(),
            source,
        })?;
        let memory = Arc::new(Memory::new(KEEP_ALARMS));
        let channels: Vec<Arc<dyn Channel>> = vec![
            Arc::new(log),
            Arc::new(Webhook::new(target, settings.timeout_webhook)),
            Arc::clone(&memory) as _,
        ];
        let notify = NotifyOptions {
            dedup_window: settings.dedup,
            ..NotifyOptions::default()
        };
        let notifier = Arc::new(Notifier::new(Arc::clone(&store), &notify, channels));
        let checker = Arc::new(Checker::new(store));

        let pool = PoolOptions {
            capacity: settings.workers,
            queue: settings.queue,
        };
        let mut back = Server::new(settings.server());
        let notify = service::notify(Arc::clone(&notifier), pool)
            .timeout(settings.timeout_notify)
            .slow(settings.slow_notify);
        let notify = settings.method_timeouts(notify);
        let control = Control::new()
            .codel(Codel::default())
            .dagor(Dagor::default());
        let control = settings.control.then_some(control);
        let notify = back
            .serve(notify.controlled_by(control), listen.notify)
            .await?;
        let client = BalancedOptions {
            // What fails waits in the outbox, and goes along with the next call.
            retry: Retry::never(),
            ..BalancedOptions::default()
        };
        let client = Balanced::new(vec![notify], client).await;
        let outbox = Arc::new(Outbox::new(client));
        let mut front = Server::new(settings.server());
        let check = service::check(Arc::clone(&checker), Arc::clone(&outbox), pool)
            .timeout(settings.timeout_check)
            .slow(settings.slow_check);
        let check = settings.method_timeouts(check);
        let check = front
            .serve(check.controlled_by(control), listen.check)
            .await?;
        let echo = service::echo()
            .timeout(settings.timeout_echo)
            .slow(settings.slow_echo);
        let echo = front
            .serve(settings.method_timeouts(echo), listen.echo)
            .await?;

        // What of the notes' "user hooks" the alarms need: nothing produces any more,
        // who consumes is waited for, and then each channel is closed.
        let limit = settings.grace;
        let consumer = Group::<Infallible>::new();
        let consumed = Arc::clone(&outbox);
        consumer.spawn(async move {
            consumed.consume().await;
            Ok(())
        });
        let last = Arc::clone(&outbox);
        front.on_shutdown("alarms handed over to Notify", limit, async move || {
            last.close();
            consumer.wait().await
        });
        let last = Arc::clone(&notifier);
        back.on_shutdown("deliveries ended", limit, async move || {
            last.delivered().await;
            Ok::<_, Infallible>(())
        });
        let last = Arc::clone(&notifier);
        back.on_shutdown("channels closed", limit, async move || last.close().await);

        let watch = Watch {
            front: front.stats_handle(),
            back: back.stats_handle(),
            checker,
            notifier,
            outbox,
            memory,
            received: receiver.as_ref().map(Receiver::received),
        };
        admin.ready(watch.clone(), settings);
        let addrs = Addrs {
            echo,
            check,
            notify,
            admin: admin.addr(),
        };
        Ok(Self {
            front,
            back,
            admin,
            receiver,
            watch,
            addrs,
            lame_duck: settings.lame_duck,
        })
    }

    /// Where everything listens.
    #[must_use]
    pub fn addrs(&self) -> Addrs {
        self.addrs
    }

    /// Whoever looks on.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Stops gracefully, within `grace`: not ready any more, for the lame-duck pause if
    /// there is one; no new work; what was accepted is finished, from the front to the
    /// back, hooks included; then everything is closed.
    ///
    /// Returns the last figures.
    pub async fn stop(self, grace: Duration) -> StackFigures {
        let end = tokio::time::Instant::now() + grace;
        let left = || end.saturating_duration_since(tokio::time::Instant::now());
        self.admin.not_ready();
        tokio::time::sleep(self.lame_duck.min(grace)).await;
        self.front.shutdown(left()).await;
        self.back.shutdown(left()).await;
        if let Some(receiver) = self.receiver {
            receiver.stop(left().min(Duration::from_millis(200))).await;
        }
        self.admin
            .stop(left().min(Duration::from_millis(200)))
            .await;
        self.watch.figures()
    }
}

/// Looks on without keeping anything from being stopped.
#[derive(Clone, Debug)]
pub struct Watch {
    front: StatsHandle,
    back: StatsHandle,
    checker: Arc<Checker>,
    notifier: Arc<Notifier>,
    outbox: Arc<Outbox>,
    memory: Arc<Memory>,
    received: Option<Arc<AtomicU64>>,
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

    /// The same, for a report.
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
