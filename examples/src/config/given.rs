//! The options as they are given: by the command line and the environment, or by the config
//! file. Any of them may be missing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::error::ConfigError;
use super::time::Time;
use crate::alarm::policy::PolicySpec;
use crate::listen::Listen;
use crate::logging::SinkSpec;
use crate::provenance::{Provenance, line};

/// What one source says of what to run with, or several of them together
/// ([`or`](Self::or)). What nobody says is missing until all are
/// [settled](Self::settle).
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GivenOptions {
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
    #[arg(long, global = true, env = "RPC_DEMO_DURATION")]
    pub duration: Option<Time>,
    /// How long to wait for what was accepted, when stopping [default: 10s]
    #[arg(long, global = true, env = "RPC_DEMO_GRACE")]
    pub grace: Option<Time>,
    /// Requests a pooled service works on at a time; 1048576 at most, with --queue
    /// [default: 64 a CPU]
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
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_DEDUP")]
    pub dedup: Option<Time>,
    /// File of the log channel [default: rpc-demo-alarms.log in the temporary folder]
    #[arg(long, global = true, value_name = "FILE", env = "RPC_DEMO_ALARM_LOG")]
    pub alarm_log: Option<PathBuf>,
    /// Where the webhook channel posts to [default: a receiver of its own]
    #[arg(long, global = true, value_name = "URL", env = "RPC_DEMO_WEBHOOK")]
    pub webhook: Option<String>,
    /// A connection on which nothing happens for so long is closed [default: 1m]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_IDLE")]
    pub idle: Option<Time>,
    /// How often the kernel probes a connection on which nothing comes, at least
    /// 1s; 0s is never [default: 15s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_KEEP_ALIVE")]
    pub keep_alive: Option<Time>,
    /// The longest frame, in and out [default: 10485760]
    #[arg(long, global = true, value_name = "BYTES", env = "RPC_DEMO_MAX_FRAME")]
    pub max_frame: Option<usize>,
    /// Requests of one connection that may be under way [default: 4096]
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "RPC_DEMO_MAX_IN_FLIGHT"
    )]
    pub max_in_flight: Option<usize>,
    /// Connections to the services that may be open at a time, those to Notify apart
    /// [default: 100000]
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "RPC_DEMO_MAX_CONNECTIONS"
    )]
    pub max_connections: Option<usize>,
    /// How long an Echo may take [default: 10s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "RPC_DEMO_TIMEOUT_ECHO"
    )]
    pub timeout_echo: Option<Time>,
    /// How long a Check may take [default: 5s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "RPC_DEMO_TIMEOUT_CHECK"
    )]
    pub timeout_check: Option<Time>,
    /// How long a Notify may take [default: 5s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "RPC_DEMO_TIMEOUT_NOTIFY"
    )]
    pub timeout_notify: Option<Time>,
    /// How long the webhook channel waits for an answer [default: 2s]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "RPC_DEMO_TIMEOUT_WEBHOOK"
    )]
    pub timeout_webhook: Option<Time>,
    /// How long calls are still taken in after /readyz has begun to say no, so that who
    /// balances them learns of it first; a part of --grace [default: 0s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_LAME_DUCK")]
    pub lame_duck: Option<Time>,
    /// How long who calls late, while it stops, is told so on a connection that has
    /// nothing else to do; a part of --grace [default: 250ms]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_FAREWELL")]
    pub farewell: Option<Time>,
    /// An Echo that takes longer is logged [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_ECHO")]
    pub slow_echo: Option<Time>,
    /// A Check that takes longer is logged, with where its time went [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_CHECK")]
    pub slow_check: Option<Time>,
    /// A Notify that takes longer is logged, with where its time went [default: 1s]
    #[arg(long, global = true, value_name = "TIME", env = "RPC_DEMO_SLOW_NOTIFY")]
    pub slow_notify: Option<Time>,
    /// How long requests for one method may take, by full names, only in the config file.
    #[arg(skip)]
    pub method_timeout: BTreeMap<String, Time>,
    /// Where log lines go, only in the config file.
    #[arg(skip)]
    pub log: Vec<SinkSpec>,
    /// Policies written by people, only in the config file.
    #[arg(skip)]
    pub policy: Vec<PolicySpec>,
}

impl GivenOptions {
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
        /// All of them but lists, which are empty when nothing is said.
        macro_rules! first_said {
            ($($option:ident)*) => {
                Self {
                    $($option: self.$option.or(other.$option),)*
                    method_timeout: unless_empty(self.method_timeout, other.method_timeout),
                    log: unless_empty(self.log, other.log),
                    policy: unless_empty(self.policy, other.policy),
                }
            };
        }
        first_said! {
            echo check notify admin policies seed qps peak duration grace workers queue
            control dedup alarm_log webhook idle keep_alive max_frame max_in_flight
            max_connections timeout_echo timeout_check timeout_notify timeout_webhook
            lame_duck farewell slow_echo slow_check slow_notify
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
}

fn unless_empty<C>(first: C, second: C) -> C
where
    for<'a> &'a C: IntoIterator,
{
    let is_empty = (&first).into_iter().next().is_none();
    if is_empty { second } else { first }
}
