//! What to run with: the command line, then the environment, then the config
//! file, then the defaults.

mod error;
mod options;
mod time;

pub use error::ConfigError;
pub use options::Options;
pub use time::Time;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::alarm::policy::PolicySpec;
use crate::alarm::service::{CHECK, ECHO, NOTIFY};
use crate::alarm::store::MAX_POLICIES;
use crate::listen::Listen;
use crate::load::profile::Profile;
use crate::logging::{Filter, LogFormat, SinkKind, SinkSpec};
use crate::server::{ServerOptions, Service};

/// What takes longer is logged when nothing else is said.
const SLOW: Duration = Duration::from_secs(1);
/// Connections of a server when nothing else is said.
const MAX_CONNECTIONS: usize = 100_000;
/// Jobs that a worker pool takes, running and waiting.
const MAX_POOL: usize = 1 << 30;

/// What to run with, complete and checked.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Where the services listen.
    #[serde(flatten)]
    pub listen: Listen,
    /// How many generated policies.
    pub policies: u32,
    /// Seed of what is generated.
    pub seed: u64,
    /// Calls a second, on average.
    pub qps: f64,
    /// Calls a second, at the peaks.
    pub peak: f64,
    /// When calls are due.
    #[serde(skip)]
    pub profile: Profile,
    /// How long load is sent.
    #[serde(serialize_with = "time::in_words")]
    pub duration: Duration,
    /// How long stopping may take.
    #[serde(serialize_with = "time::in_words")]
    pub grace: Duration,
    /// Workers of each pooled service.
    pub workers: usize,
    /// Queue of each pooled service.
    pub queue: usize,
    /// Whether requests are served by priority and turned away by delay.
    pub control: bool,
    /// The same alarm is told once in this time.
    #[serde(serialize_with = "time::in_words")]
    pub dedup: Duration,
    /// File of the log channel.
    pub alarm_log: PathBuf,
    /// Where the webhook channel posts to.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub webhook: Option<axum::http::Uri>,
    /// A connection on which nothing happens for so long is closed.
    #[serde(serialize_with = "time::in_words")]
    pub idle: Duration,
    /// How often the kernel probes a connection on which nothing comes; 0 is never.
    #[serde(serialize_with = "time::in_words")]
    pub keep_alive: Duration,
    /// The longest frame, in bytes.
    pub max_frame: usize,
    /// Requests of one connection that may be under way.
    pub max_in_flight: usize,
    /// Connections of a server that may be open.
    pub max_connections: usize,
    /// How long an Echo may take.
    #[serde(serialize_with = "time::in_words")]
    pub timeout_echo: Duration,
    /// How long a Check may take.
    #[serde(serialize_with = "time::in_words")]
    pub timeout_check: Duration,
    /// How long a Notify may take.
    #[serde(serialize_with = "time::in_words")]
    pub timeout_notify: Duration,
    /// How long the webhook channel waits for an answer.
    #[serde(serialize_with = "time::in_words")]
    pub timeout_webhook: Duration,
    /// How long calls are still taken in after it has been said that there be no more.
    #[serde(serialize_with = "time::in_words")]
    pub lame_duck: Duration,
    /// How long who calls late, while it stops, is told so.
    #[serde(serialize_with = "time::in_words")]
    pub farewell: Duration,
    /// An Echo that takes longer is logged.
    #[serde(serialize_with = "time::in_words")]
    pub slow_echo: Duration,
    /// A Check that takes longer is logged.
    #[serde(serialize_with = "time::in_words")]
    pub slow_check: Duration,
    /// A Notify that takes longer is logged.
    #[serde(serialize_with = "time::in_words")]
    pub slow_notify: Duration,
    /// How long requests for one method may take.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub method_timeout: BTreeMap<String, Time>,
    /// Where log lines go.
    pub log: Vec<SinkSpec>,
    /// Policies written by people.
    #[serde(rename = "policy")]
    pub written: Vec<PolicySpec>,
}

impl Settings {
    /// The same, for a server.
    #[must_use]
    pub fn server(&self) -> ServerOptions {
        ServerOptions {
            idle: self.idle,
            keep_alive: Some(self.keep_alive).filter(|period| !period.is_zero()),
            max_frame: self.max_frame,
            max_in_flight: self.max_in_flight,
            max_in_flight_bytes: 2 * self.max_frame,
            max_connections: self.max_connections,
            farewell: self.farewell,
            ..ServerOptions::default()
        }
    }

    /// Has each method of `service` that a time was said for take no longer.
    #[must_use]
    pub fn method_timeouts<L>(&self, service: Service<L>) -> Service<L> {
        let timeouts = self.method_timeout.iter();
        timeouts.fold(service, |service, (method, timeout)| {
            match method.strip_prefix(service.prefix()) {
                Some(method) => service.method_timeout(method, timeout.0),
                None => service,
            }
        })
    }

    /// As a config file that says all of it.
    ///
    /// # Errors
    /// When a value cannot be said in TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

fn as_text<S: Serializer>(uri: &Option<axum::http::Uri>, to: S) -> Result<S::Ok, S::Error> {
    match uri {
        Some(uri) => to.collect_str(uri),
        None => to.serialize_none(),
    }
}

impl Options {
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
            ("max-in-flight", max_in_flight, MAX_POOL),
            ("max-connections", max_connections, MAX_POOL),
        ] {
            if !(1..=most).contains(&count) {
                return Err(ConfigError::Count { key, most });
            }
        }
        if queue > MAX_POOL - workers {
            return Err(ConfigError::TooMany { workers, queue });
        }
        if idle.is_zero() {
            return Err(ConfigError::Zero("idle"));
        }
        let is_method = |name: &&String| [ECHO, CHECK, NOTIFY].contains(&name.as_str());
        if let Some(unknown) = self.method_timeout.keys().find(|name| !is_method(name)) {
            return Err(ConfigError::NoMethod(unknown.clone()));
        }
        let log = match self.log {
            none if none.is_empty() => usual_log(),
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
            written: self.policy,
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
            keep_alive: or(self.keep_alive, server.keep_alive.unwrap_or_default()),
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

/// On the console what is wrong, in memory also what happens.
fn usual_log() -> Vec<SinkSpec> {
    let [warn, info] = ["warn", "info"].map(|level| Filter::new(level).expect("a level"));
    vec![
        SinkSpec::new(SinkKind::Console, warn, LogFormat::Text),
        SinkSpec::new(SinkKind::Memory, info, LogFormat::Json),
    ]
}

/// What the command line says of the console goes before what the config file does.
pub fn say_of_console(options: &mut Options, filter: Option<Filter>, format: Option<LogFormat>) {
    if filter.is_none() && format.is_none() {
        return;
    }
    if options.log.is_empty() {
        options.log = usual_log();
    }
    let is_console = |sink: &&mut SinkSpec| sink.to == SinkKind::Console;
    if let Some(console) = options.log.iter_mut().find(is_console) {
        console.level = filter.unwrap_or_else(|| console.level.clone());
        console.format = format.unwrap_or(console.format);
    } else {
        let format = format.unwrap_or_default();
        let console = SinkSpec::new(SinkKind::Console, filter.unwrap_or_default(), format);
        options.log.push(console);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    fn parsed(text: &str) -> Result<Options, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Ok(Options::from_file(file.path())?.0)
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let file = parsed("qps = 10.0\nseed = 3\nduration = \"1m 5s\"").unwrap();
        let said = Options {
            qps: Some(20.0),
            peak: Some(20.0),
            ..Options::default()
        };
        let settings = said.or(file).settle().unwrap();
        assert_eq!(settings.seed, 3);
        assert_eq!(settings.duration, Duration::from_secs(65));
        assert_eq!(settings.policies, 1_000_000);
        assert_eq!(settings.profile.arrivals().count() / 65, 20);
    }

    #[test]
    fn what_is_in_effect_reads_back_as_itself() {
        let file = parsed("qps = 10.5\ncontrol = true\nwebhook = \"http://localhost:1/x\"");
        let settings = file.unwrap().settle().unwrap();
        let again = parsed(&settings.to_toml().unwrap()).unwrap();
        let again = again.settle().unwrap();
        assert_eq!(again.to_toml(), settings.to_toml());
        assert!(again.control && again.webhook.is_some());
    }

    #[test]
    fn what_is_said_of_connections_is_what_a_server_is_told() {
        let file = parsed(
            r#"
            idle = "2s"
            keep-alive = "3s"
            max-frame = 4000
            max-in-flight = 5
            max-connections = 6
            farewell = "7s"
            "#,
        );
        let settings = file.unwrap().settle().unwrap();
        let ServerOptions {
            idle,
            keep_alive,
            max_frame,
            max_in_flight,
            max_connections,
            farewell,
            ..
        } = settings.server();
        let second = Duration::from_secs(1);
        assert_eq!((idle, keep_alive), (2 * second, Some(3 * second)));
        assert_eq!((max_frame, max_in_flight, max_connections), (4000, 5, 6));
        assert_eq!(farewell, 7 * second);
        let never = parsed("keep-alive = \"0s\"").unwrap().settle().unwrap();
        assert_eq!(never.server().keep_alive, None);
        // The usual ones are the server's own.
        let usual = Options::default().settle().unwrap().server();
        let own = ServerOptions::default();
        assert_eq!((usual.idle, usual.keep_alive), (own.idle, own.keep_alive));
        assert_eq!(usual.max_in_flight_bytes, own.max_in_flight_bytes);
    }

    /// An option is declared in `Options`, kept in `Settings` and given its default in
    /// `settle`, which the compiler holds together; what people read of it, this does.
    #[test]
    fn the_help_tells_each_default_as_it_is_and_each_variable_by_the_name_of_its_option() {
        let settings = Options::default().settle().unwrap();
        let settings: toml::Table = settings.to_toml().unwrap().parse().unwrap();
        let command = crate::cli::Cli::command();
        let mut untold = Vec::new();
        for option in command.get_arguments() {
            let (Some(key), Some(help)) = (option.get_long(), option.get_help()) else {
                continue;
            };
            if let Some(variable) = option.get_env() {
                let name = key.replace('-', "_").to_uppercase();
                assert_eq!(variable.to_str(), Some(&*format!("RPC_DEMO_{name}")));
            }
            let help = help.to_string();
            let Some((_, default)) = help.split_once("[default: ") else {
                untold.extend(settings.contains_key(key).then_some(key));
                continue;
            };
            // Behind a comma there is when it is another one.
            let default = default.trim_end_matches(']').split(',').next().unwrap();
            let own = match (key, default) {
                ("workers", "64 a CPU") => {
                    64 * num_cpus::get() == settings[key].as_integer().unwrap() as usize
                }
                ("alarm-log", "rpc-demo-alarms.log in the temporary folder") => {
                    let folder = std::env::temp_dir();
                    settings[key].as_str() == folder.join("rpc-demo-alarms.log").to_str()
                }
                ("webhook", "a receiver of its own") => !settings.contains_key(key),
                // Of one of the sinks.
                ("log" | "log-format", _) => true,
                _ => match &settings[key] {
                    toml::Value::String(own) => own == default,
                    toml::Value::Float(own) => default.parse() == Ok(*own),
                    own => own.to_string() == default,
                },
            };
            assert!(own, "{key}: {default}, not {:?}", settings.get(key));
        }
        // A switch is off.
        assert_eq!(untold, ["control"]);
    }

    #[test]
    fn policies_of_people_are_read() {
        let file = parsed(
            r#"
            [[policy]]
            region = "local"
            product = "host"
            metric = "load"
            instance = "1m"
            comparison = ">="
            threshold = 8.0
            periods = 3
            level = "critical"
            channels = ["log", "webhook"]
            shield = { type = "loop", from = 0, to = 3600 }
            "#,
        );
        assert_eq!(file.unwrap().policy[0].periods.get(), 3);
    }

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_line() {
        let error = parsed("qps = 1.0\nspeed = 2").unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("speed"),
            "{error}"
        );
        let error = Options::from_file(Path::new("/nowhere.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere.toml"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let settle = |options: Options| options.settle().unwrap_err().to_string();
        for policies in [0, 7_000_001] {
            let error = settle(Options {
                policies: Some(policies),
                ..Options::default()
            });
            assert!(error.contains("from 1 to 7000000"), "{error}");
        }
        let error = settle(Options {
            webhook: Some("ftp://x".into()),
            ..Options::default()
        });
        assert!(error.contains("ftp://x"), "{error}");
        let error = settle(Options {
            workers: Some(0),
            ..Options::default()
        });
        assert!(error.contains("workers"), "{error}");
    }
}
