//! What the server did.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use pool_worker::DelaySnapshot;
use pool_worker::overload::ControlStats;
use serde::{Serialize, Serializer};

use super::handle_param::{self, PARAMS};
use super::latency::LatencySnapshot;
use super::registry::Registry;
use super::running::Running;
use crate::wire::buffers::{self, BUFFERS};

/// The figures of one connection. Only its task writes, so that no locked
/// instruction is needed and connections share no line.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) accepted: Count,
    pub(super) replied: Count,
    pub(super) abandoned: Count,
    pub(super) lost: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
}

impl Figures {
    /// Requests that have not ended.
    pub(super) fn open(&self) -> u64 {
        let mut totals = Totals::default();
        totals.add(self);
        totals
            .accepted
            .saturating_sub(totals.replied + totals.abandoned + totals.lost)
    }
}

/// A counter with one writer and many readers.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds; only to be called by the one writer.
    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed) + more, Relaxed);
    }
}

/// Sums over connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) replied: u64,
    pub(super) abandoned: u64,
    pub(super) lost: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Totals {
    pub(super) fn add(&mut self, figures: &Figures) {
        // The ends before the beginning: never more have ended than begun.
        self.replied += figures.replied.0.load(Relaxed);
        self.abandoned += figures.abandoned.0.load(Relaxed);
        self.lost += figures.lost.0.load(Relaxed);
        self.accepted += figures.accepted.0.load(Relaxed);
        self.bytes_in += figures.bytes_in.0.load(Relaxed);
        self.bytes_out += figures.bytes_out.0.load(Relaxed);
    }
}

/// The figures of one method: the golden three.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MethodStats {
    /// Its full name, such as `/rpcdemo.Echo/Echo`; `*` is the one of any.
    pub name: String,
    /// How long a request may take: the least of its own timeout and the service's.
    pub timeout: Duration,
    /// Requests that ended well.
    pub succeeded: u64,
    /// Failed requests by code: the framework's, or the business's when that
    /// is 0. Also those that were refused before a handler saw them.
    pub errors: BTreeMap<i32, u64>,
    /// How long its handlers took, failed or not.
    pub latency: LatencySnapshot,
}

/// How busy the workers of a service are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PoolLoad {
    /// Requests that wait.
    pub queued: usize,
    /// Requests that run.
    pub running: usize,
    /// Requests that may run.
    pub capacity: usize,
}

/// The figures of one service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceStats {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it speaks.
    pub protocol: &'static str,
    /// How long a request may take.
    pub timeout: Duration,
    /// From a request's hand-over to its start on a worker; `None` for a
    /// service that is handled in line.
    pub delay: Option<DelaySnapshot>,
    /// How long requests waited from their reading to their start on a worker; `None` for
    /// a service that is handled in line.
    pub waited: Option<LatencySnapshot>,
    /// What became of requests by their priority, when it is
    /// [controlled](super::Service::controlled).
    pub control: Option<ControlStats>,
    /// How busy its workers are; `None` for a service that is handled in line.
    pub load: Option<PoolLoad>,
    /// Requests that ended well.
    pub succeeded: u64,
    /// By method, in the order of their names.
    pub methods: Vec<MethodStats>,
    /// How long handlers took.
    pub latency: LatencySnapshot,
    /// The same, of the last ten seconds or so: see [`recent_delay`](Self::recent_delay).
    pub recent_latency: LatencySnapshot,
    /// How long requests waited from their reading to their start on a worker, of the
    /// last ten seconds, or of the time since anybody looked when that is longer; `None`
    /// for a service that is handled in line.
    pub recent_delay: Option<LatencySnapshot>,
    /// Handlers that panicked.
    pub panics: u64,
    /// Failed requests by code: the framework's, or the business's when that
    /// is 0.
    pub errors: BTreeMap<i32, u64>,
    /// Connections that did not end well, by reason: a frame that was refused
    /// (`magic`, `too_short`, `too_long`, `head_too_long`, `not_unary`) or cut
    /// off (`cut`), `idle`, replies that were not read (`stalled`), an error
    /// of the socket (`io`), the end of the server's patience (`stopped`), too many
    /// that are open already (`crowded`).
    pub broken: BTreeMap<&'static str, u64>,
    /// Times that a connection could not be accepted, mostly for too many open files.
    pub accept_failures: u64,
}

/// The figures of an open connection.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Where it comes from.
    pub peer: SocketAddr,
    /// The service it is connected to.
    pub service: String,
    /// How long it has been open.
    #[serde(serialize_with = "seconds", rename = "age_s")]
    pub age: Duration,
    /// Requests taken in.
    pub accepted: u64,
    /// Requests that have ended.
    pub replied: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// The figures of a server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests taken in: a whole frame was read and dispatched.
    pub accepted: u64,
    /// Requests whose reply was written to the socket, and one-way requests
    /// that have ended.
    pub replied: u64,
    /// Requests whose peer was gone before their reply could be written.
    pub abandoned: u64,
    /// Requests accepted that came to nothing, because the server would not
    /// wait any longer: `accepted - replied - abandoned` once it is shut down.
    pub lost: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Failed requests by code: the framework's, or the business's when that
    /// is 0.
    pub errors: BTreeMap<i32, u64>,
    /// Handlers that panicked.
    pub panics: u64,
    /// Open connections.
    pub connections: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// By service.
    pub services: Vec<ServiceStats>,
    /// The object pools.
    pub pools: ObjectPools,
}

/// The object pools, which all servers of the process share.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ObjectPools {
    /// The parameters of pooled requests.
    pub params: pool_object::Stats,
    /// The buffers that are read into and written from; clients share them.
    pub buffers: pool_object::Stats,
}

impl ObjectPools {
    /// The figures of now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            params: PARAMS.stats(),
            buffers: BUFFERS.stats(),
        }
    }

    /// Does without the pool of parameters from now on, in this process: each is
    /// boxed for its request and dropped after it. To measure what the pool is worth.
    pub fn without_params() {
        handle_param::without_pool();
    }

    /// Does without the pool of buffers from now on, in this process: each is a new
    /// `BytesMut`. To measure what the pool is worth.
    pub fn without_buffers() {
        buffers::without_pool();
    }
}

/// Looks on at a server's figures, also when the server has gone.
#[derive(Clone, Debug, Default)]
pub struct StatsHandle {
    pub(super) registry: Arc<Registry>,
    pub(super) services: Arc<Mutex<Vec<Arc<Running>>>>,
}

impl StatsHandle {
    /// The open connections, sorted by the addresses of their peers.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionStats> {
        self.registry.connections()
    }

    /// The figures of now.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        let (totals, connections) = self.registry.totals();
        let services: Vec<_> = self
            .services
            .lock()
            .iter()
            .map(|running| running.stats())
            .collect();
        let mut errors = BTreeMap::new();
        for (code, count) in services.iter().flat_map(|service| &service.errors) {
            *errors.entry(*code).or_default() += count;
        }
        let Totals {
            accepted,
            replied,
            abandoned,
            lost,
            bytes_in,
            bytes_out,
        } = totals;
        ServerStats {
            accepted,
            replied,
            abandoned,
            lost,
            in_flight: accepted.saturating_sub(replied + abandoned + lost),
            errors,
            panics: services.iter().map(|service| service.panics).sum(),
            connections,
            bytes_in,
            bytes_out,
            services,
            pools: ObjectPools::now(),
        }
    }
}
