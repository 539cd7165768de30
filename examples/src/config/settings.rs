//! The settings in effect, each with a value, and what they are to the parts of the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::time::{self, Time};
use crate::alarm::policy::PolicySpec;
use crate::client::ClientOptions;
use crate::listen::Listen;
use crate::load::profile::Profile;
use crate::logging::SinkSpec;
use crate::server::{ServerOptions, Service};

/// What is run with: each value was given or is the default, and all go together.
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
    pub written_policies: Vec<PolicySpec>,
}

impl Settings {
    /// Those of a server.
    #[must_use]
    pub fn server_options(&self) -> ServerOptions {
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

    /// Those of a client of such a server: what is too long for it is found so before it is
    /// sent.
    #[must_use]
    pub fn client_options(&self) -> ClientOptions {
        ClientOptions {
            max_frame: self.max_frame,
            ..ClientOptions::default()
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
