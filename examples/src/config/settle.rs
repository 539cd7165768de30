//! From the options that are given to the settings in effect: the defaults, and whether all
//! goes together.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::ConfigError;
use super::given::GivenOptions;
use super::log;
use super::settings::Settings;
use super::time::Time;
use crate::alarm::service::{CHECK, ECHO, NOTIFY};
use crate::alarm::store::MAX_POLICIES;
use crate::listen::Listen;
use crate::load::profile::Profile;
use crate::logging::SinkSpec;
use crate::server::ServerOptions;

/// What takes longer is logged when nothing else is said.
const SLOW: Duration = Duration::from_secs(1);
/// Connections of a server when nothing else is said.
const MAX_CONNECTIONS: usize = 100_000;
/// Jobs that a worker pool takes here, running and waiting. It could be more, but each has
/// its place in memory from the start.
pub(super) const MAX_POOL: usize = 1 << 20;
/// Requests of a connection, and connections, which take memory only when they are there.
const MAX_OPEN: usize = 1 << 30;
/// What the kernel takes for the time between probes (`TCP_KEEPIDLE`).
pub(super) const KEEP_ALIVE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(32_767);

impl GivenOptions {
    /// Fills in the defaults, and checks that all goes together.
    ///
    /// # Errors
    /// When it does not.
    pub fn settle(self) -> Result<Settings, ConfigError> {
        let listen = self.listen(Listen::USUAL);
        let policies = self.policies.unwrap_or(1_000_000);
        let most = MAX_POLICIES as u64 - self.policy.len().min(MAX_POLICIES) as u64;
        let count = u32::try_from(policies)
            .ok()
            .filter(|_| (1..=most).contains(&policies));
        let qps = self.qps.unwrap_or(900.0);
        let peak = self.peak.unwrap_or(2778.0_f64.max(qps));
        let duration = or(self.duration, Duration::from_secs(27));
        let workers = self.workers.unwrap_or_else(|| 64 * num_cpus::get());
        let queue = self.queue.unwrap_or(4096);
        let server = ServerOptions::default();
        let idle = or(self.idle, server.idle);
        let max_frame = self.max_frame.unwrap_or(server.max_frame);
        let max_in_flight = self.max_in_flight.unwrap_or(server.max_in_flight);
        let max_connections = self.max_connections.unwrap_or(MAX_CONNECTIONS);
        let frame = u32::MAX as usize;
        for (key, count, most) in [
            ("workers", workers, MAX_POOL),
            ("max-frame", max_frame, frame),
            ("max-in-flight", max_in_flight, MAX_OPEN),
            ("max-connections", max_connections, MAX_OPEN),
        ] {
            if !(1..=most).contains(&count) {
                return Err(ConfigError::Count { key, most });
            }
        }
        if queue > MAX_POOL - workers {
            return Err(ConfigError::TooMany { workers, queue });
        }
        let keep_alive = or(self.keep_alive, server.keep_alive.unwrap_or_default());
        if !keep_alive.is_zero() && !KEEP_ALIVE.contains(&keep_alive) {
            return Err(ConfigError::KeepAlive);
        }
        // Nothing could be done in it; who wants no limit says a long time.
        let timeouts = [
            ("idle", self.idle),
            ("timeout-echo", self.timeout_echo),
            ("timeout-check", self.timeout_check),
            ("timeout-notify", self.timeout_notify),
            ("timeout-webhook", self.timeout_webhook),
        ];
        let of_methods = self.method_timeout.values();
        let of_methods = of_methods.map(|time| ("method-timeout", Some(*time)));
        for (key, said) in timeouts.into_iter().chain(of_methods) {
            if said.is_some_and(|time| time.0.is_zero()) {
                return Err(ConfigError::Zero(key));
            }
        }
        let is_method = |name: &&String| [ECHO, CHECK, NOTIFY].contains(&name.as_str());
        if let Some(unknown) = self.method_timeout.keys().find(|name| !is_method(name)) {
            return Err(ConfigError::NoMethod(unknown.clone()));
        }
        let log = match self.log {
            none if none.is_empty() => log::usual(),
            log => log,
        };
        SinkSpec::check(&log)?;
        let webhook = self
            .webhook
            .map(|url| match url.parse::<axum::http::Uri>() {
                Ok(uri) if uri.scheme_str() == Some("http") && uri.host().is_some() => Ok(uri),
                _ => Err(ConfigError::Webhook(url)),
            });
        Ok(Settings {
            listen,
            policies: count.ok_or(ConfigError::Policies(policies))?,
            written_policies: self.policy,
            seed: self.seed.unwrap_or(1),
            qps,
            peak,
            profile: Profile::new(qps, peak, duration)?,
            duration,
            grace: or(self.grace, Duration::from_secs(10)),
            workers,
            queue,
            control: self.control.unwrap_or(false),
            dedup: or(self.dedup, Duration::from_secs(60)),
            alarm_log: self
                .alarm_log
                .unwrap_or_else(|| std::env::temp_dir().join("rpc-demo-alarms.log")),
            webhook: webhook.transpose()?,
            idle,
            keep_alive,
            max_frame,
            max_in_flight,
            max_connections,
            timeout_echo: or(self.timeout_echo, Duration::from_secs(10)),
            timeout_check: or(self.timeout_check, Duration::from_secs(5)),
            timeout_notify: or(self.timeout_notify, Duration::from_secs(5)),
            timeout_webhook: or(self.timeout_webhook, Duration::from_secs(2)),
            lame_duck: or(self.lame_duck, Duration::ZERO),
            farewell: or(self.farewell, server.farewell),
            slow_echo: or(self.slow_echo, SLOW),
            slow_check: or(self.slow_check, SLOW),
            slow_notify: or(self.slow_notify, SLOW),
            method_timeout: self.method_timeout,
            log,
        })
    }
}

fn or(said: Option<Time>, otherwise: Duration) -> Duration {
    said.map_or(otherwise, |time| time.0)
}
