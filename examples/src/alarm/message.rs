//! What travels between the services, as protobuf or JSON.

use serde::{Deserialize, Serialize};

/// One reading of one metric of one instance.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Region name.
    #[prost(string, tag = "1")]
    pub region: String,
    /// Product name.
    #[prost(string, tag = "2")]
    pub product: String,
    /// Metric name.
    #[prost(string, tag = "3")]
    pub metric: String,
    /// Instance name.
    #[prost(string, tag = "4")]
    pub instance: String,
    /// The reading.
    #[prost(double, tag = "5")]
    pub value: f64,
    /// When it was read, in milliseconds since the Unix epoch.
    #[prost(uint64, tag = "6")]
    pub time_ms: u64,
}

/// Asks `alarm.Check` to match points against the policies.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckRequest {
    /// The points, in the order of their times.
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Point>,
}

/// What `alarm.Check` did.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckReply {
    /// Points taken in.
    #[prost(uint32, tag = "1")]
    pub points: u32,
    /// Policies that a point was held against.
    #[prost(uint32, tag = "2")]
    pub matched: u32,
    /// Policies breached by a point.
    #[prost(uint32, tag = "3")]
    pub breached: u32,
    /// Alarms raised, for `alarm.Notify`.
    #[prost(uint32, tag = "4")]
    pub alarms: u32,
}

/// Whether an alarm begins (or goes on), or is over.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
#[repr(i32)]
pub enum AlarmState {
    /// The policy is breached, enough periods in a row.
    Firing = 0,
    /// It no longer is.
    Recovered = 1,
}

/// A policy that fired, or recovered, for one instance.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// Number of the policy in the store.
    #[prost(uint32, tag = "1")]
    pub policy: u32,
    /// The point that made it fire or recover.
    #[prost(message, optional, tag = "2")]
    pub point: Option<Point>,
    /// An [`AlarmState`].
    #[prost(enumeration = "AlarmState", tag = "3")]
    pub state: i32,
    /// Of two alarms of a series, the one with the greater number is the later; 0 when
    /// that is not known.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    /// Id of the request that raised it.
    #[prost(string, tag = "5")]
    pub request_id: String,
    /// Its span, as a [`TraceParent`](crate::traceparent::TraceParent).
    #[prost(string, tag = "6")]
    pub traceparent: String,
}

/// Asks `alarm.Notify` to tell people.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifyRequest {
    /// The alarms.
    #[prost(message, repeated, tag = "1")]
    pub alarms: Vec<Alarm>,
}

/// What `alarm.Notify` did: each alarm is counted once.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifyReply {
    /// Taken: it is told on its channels from now on, for as long as they need.
    #[prost(uint32, tag = "1")]
    pub taken: u32,
    /// Told already a short while ago.
    #[prost(uint32, tag = "2")]
    pub duplicates: u32,
    /// Kept back by a shield time.
    #[prost(uint32, tag = "3")]
    pub shielded: u32,
    /// No channel is there, or has room.
    #[prost(uint32, tag = "4")]
    pub failed: u32,
    /// A later state of it came before.
    #[prost(uint32, tag = "5")]
    pub stale: u32,
}
