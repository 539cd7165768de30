//! What to run with: the command line, then the environment, then the config
//! file, then the defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize, Serializer};

use crate::alarm::policy::PolicySpec;
use crate::alarm::store::MAX_POLICIES;
use crate::listen::Listen;
use crate::load::profile::{Profile, ProfileError};
use crate::logging::{Filter, LogFormat, SinkError, SinkKind, SinkSpec};
use crate::provenance::{Provenance, Source, line};

/// What takes longer is logged when nothing else is said.
const SLOW: Duration = Duration::from_secs(1);

/// What to run with, as far as it was said.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Address of Echo [default: 127.0.0.1:8000, and any free port without a command]
    #[arg(long, global = true, value_name = "ADDR", env = "RPC_DEMO_ECHO")]
    pub echo: Option<SocketAddr>,
    /// Address of alarm.Check [default: 127.0.0.1:8001, as above]
    #[arg(long, global = true, value_name = "ADDR", env = "RPC_DEMO_CHECK")]
    pub check: Option<SocketAddr>,
    /// Address of alarm.Notify [default: 127.0.0.1:8002, as above]
    #[arg(long, global = true, value_name = "ADDR", env = "RPC_DEMO_NOTIFY")]
    pub notify: Option<SocketAddr>,
    /// Address of the admin port [default: 127.0.0.1:8080, as above]
    #[arg(long, global = true, value_name = "ADDR", env = "RPC_DEMO_ADMIN")]
    pub admin: Option<SocketAddr>,
    /// How many generated alarm policies to load (1 to 7,000,000) [default: 1000000]
    #[arg(long, global = true, value_name = "COUNT", env = "RPC_DEMO_POLICIES")]
    pub policies: Option<u64>,
    /// Seed of the generated policies and points [default: 1]
    #[arg(long, global = true, env = "RPC_DEMO_SEED")]
    pub seed: Option<u64>,
    /// Calls a second, on average [default: 900]
    #[arg(long, global = true, env = "RPC_DEMO_QPS")]
    pub qps: Option<f64>,
    /// Calls a second, at the peaks [default: 2778, or --qps if that is more]
    #[arg(long, global = true, env = "RPC_DEMO_PEAK")]
    pub peak: Option<f64>,
    /// How long to send load, such as 10s or 2m [default: 27s]
    #[arg(long, global = true, env = "RPC_DEMO_DURATION", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub duration: Option<Duration>,
    /// How long to wait for what was accepted, when stopping [default: 10s]
    #[arg(long, global = true, env = "RPC_DEMO_GRACE", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub grace: Option<Duration>,
    /// Requests a pooled service works on at a time [default: 64 a CPU]
    #[arg(long, global = true, value_name = "COUNT", env = "RPC_DEMO_WORKERS")]
    pub workers: Option<usize>,
    /// Requests a pooled service lets wait [default: 4096]
    #[arg(long, global = true, value_name = "COUNT", env = "RPC_DEMO_QUEUE")]
    pub queue: Option<usize>,
    /// Serves by priority, and turns requests away by how long they wait rather than
    /// let everyone wait for too long
    #[arg(long, global = true, value_name = "BOOL", env = "RPC_DEMO_CONTROL", num_args = 0..=1, default_missing_value = "true")]
    pub control: Option<bool>,
    /// The same alarm is told once in this time [default: 1m]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_DEDUP", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub dedup: Option<Duration>,
    /// File of the log channel [default: rpc-demo-alarms.log in the temporary folder]
    #[arg(long, global = true, value_name = "FILE", env = "RPC_DEMO_ALARM_LOG")]
    pub alarm_log: Option<PathBuf>,
    /// Where the webhook channel posts to [default: a receiver of its own]
    #[arg(long, global = true, value_name = "URL", env = "RPC_DEMO_WEBHOOK")]
    pub webhook: Option<String>,
    /// An Echo that takes longer is logged [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_ECHO", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub slow_echo: Option<Duration>,
    /// A Check that takes longer is logged, with where its time went [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_CHECK", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub slow_check: Option<Duration>,
    /// A Notify that takes longer is logged, with where its time went [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_NOTIFY", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub slow_notify: Option<Duration>,
    /// Where log lines go, only in the config file.
    #[arg(skip)]
    pub log: Vec<SinkSpec>,
    /// Policies written by people, only in the config file.
    #[arg(skip)]
    pub policy: Vec<PolicySpec>,
}

/// Why it cannot run with what was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The config file cannot be read.
    #[error("config file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The config file is not right.
    #[error("config file {}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// More policies than there can be, or none.
    #[error("the number of policies must be from 1 to {MAX_POLICIES}, not {0}")]
    Policies(u64),
    /// Nothing could be worked on.
    #[error("the number of workers must be above 0")]
    NoWorkers,
    /// The load cannot be.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The logs do not go together.
    #[error(transparent)]
    Log(#[from] SinkError),
    /// The webhook's address is not one.
    #[error("webhook {0:?} is not an http:// address")]
    Webhook(String),
    /// One of these, and what has said it.
    #[error("{error} ({said})")]
    Said {
        /// What is wrong.
        error: Box<ConfigError>,
        /// Each value that it is about, and where it comes from.
        said: String,
    },
}

impl ConfigError {
    /// The keys whose values it is about.
    fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Policies(_) => &["policies", "policy"],
            Self::NoWorkers => &["workers"],
            Self::Profile(_) => &["qps", "peak", "duration"],
            Self::Log(_) => &["log"],
            Self::Webhook(_) => &["webhook"],
            Self::Read { .. } | Self::Parse { .. } | Self::Said { .. } => &[],
        }
    }

    /// With where the values come from that it is about.
    #[must_use]
    pub fn said_by(self, provenance: &Provenance) -> Self {
        let sources = self.keys().iter().map(|key| (key, provenance.of(key)));
        let said: Vec<_> = sources
            .filter(|(_, source)| **source != Source::Default)
            .map(|(key, source)| format!("{key}: {source}"))
            .collect();
        if said.is_empty() {
            return self;
        }
        let (error, said) = (Box::new(self), said.join("; "));
        Self::Said { error, said }
    }
}

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
    #[serde(serialize_with = "in_words")]
    pub duration: Duration,
    /// How long stopping may take.
    #[serde(serialize_with = "in_words")]
    pub grace: Duration,
    /// Workers of each pooled service.
    pub workers: usize,
    /// Queue of each pooled service.
    pub queue: usize,
    /// Whether requests are served by priority and turned away by delay.
    pub control: bool,
    /// The same alarm is told once in this time.
    #[serde(serialize_with = "in_words")]
    pub dedup: Duration,
    /// File of the log channel.
    pub alarm_log: PathBuf,
    /// Where the webhook channel posts to.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub webhook: Option<axum::http::Uri>,
    /// An Echo that takes longer is logged.
    #[serde(serialize_with = "in_words")]
    pub slow_echo: Duration,
    /// A Check that takes longer is logged.
    #[serde(serialize_with = "in_words")]
    pub slow_check: Duration,
    /// A Notify that takes longer is logged.
    #[serde(serialize_with = "in_words")]
    pub slow_notify: Duration,
    /// Where log lines go.
    pub log: Vec<SinkSpec>,
    /// Policies written by people.
    #[serde(rename = "policy")]
    pub written: Vec<PolicySpec>,
}

impl Settings {
    /// As a config file that says all of it.
    ///
    /// # Errors
    /// When a value cannot be said in TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

fn in_words<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

fn as_text<S: Serializer>(uri: &Option<axum::http::Uri>, to: S) -> Result<S::Ok, S::Error> {
    match uri {
        Some(uri) => to.collect_str(uri),
        None => to.serialize_none(),
    }
}

impl Options {
    /// Reads a config file; what it says, and where.
    ///
    /// # Errors
    /// When it cannot be read, or is not right.
    pub fn from_file(path: &Path) -> Result<(Self, Provenance), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let options = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            line: error.span().map(|span| line(&text, span.start)),
            message: error.message().to_owned(),
        })?;
        Ok((options, Provenance::file(path, &text)))
    }

    /// These options, and those of `other` where nothing is said.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            echo: self.echo.or(other.echo),
            check: self.check.or(other.check),
            notify: self.notify.or(other.notify),
            admin: self.admin.or(other.admin),
            policies: self.policies.or(other.policies),
            seed: self.seed.or(other.seed),
            qps: self.qps.or(other.qps),
            peak: self.peak.or(other.peak),
            duration: self.duration.or(other.duration),
            grace: self.grace.or(other.grace),
            workers: self.workers.or(other.workers),
            queue: self.queue.or(other.queue),
            control: self.control.or(other.control),
            dedup: self.dedup.or(other.dedup),
            alarm_log: self.alarm_log.or(other.alarm_log),
            webhook: self.webhook.or(other.webhook),
            slow_echo: self.slow_echo.or(other.slow_echo),
            slow_check: self.slow_check.or(other.slow_check),
            slow_notify: self.slow_notify.or(other.slow_notify),
            log: unless_empty(self.log, other.log),
            policy: unless_empty(self.policy, other.policy),
        }
    }

    /// Where the services listen: at these, where nothing is said.
    #[must_use]
    pub fn listen(&self, otherwise: Listen) -> Listen {
        Listen {
            echo: self.echo.unwrap_or(otherwise.echo),
            check: self.check.unwrap_or(otherwise.check),
            notify: self.notify.unwrap_or(otherwise.notify),
            admin: self.admin.unwrap_or(otherwise.admin),
        }
    }

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
        let duration = self.duration.unwrap_or(Duration::from_secs(27));
        let workers = self.workers.unwrap_or_else(|| 64 * num_cpus::get());
        if workers == 0 {
            return Err(ConfigError::NoWorkers);
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
            grace: self.grace.unwrap_or(Duration::from_secs(10)),
            workers,
            queue: self.queue.unwrap_or(4096),
            control: self.control.unwrap_or(false),
            dedup: self.dedup.unwrap_or(Duration::from_secs(60)),
            alarm_log: self
                .alarm_log
                .unwrap_or_else(|| std::env::temp_dir().join("rpc-demo-alarms.log")),
            webhook: webhook.transpose()?,
            slow_echo: self.slow_echo.unwrap_or(SLOW),
            slow_check: self.slow_check.unwrap_or(SLOW),
            slow_notify: self.slow_notify.unwrap_or(SLOW),
            log,
        })
    }
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

fn unless_empty<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map(Some).map_err(|error| {
        let message = format!("{text:?} is no time such as 10s or 2m: {error}");
        serde::de::Error::custom(message)
    })
}

#[cfg(test)]
mod tests {
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
