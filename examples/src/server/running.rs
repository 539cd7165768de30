//! A service at work: what its connections and its workers share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::failure::Failure;
use super::latency::{Counts, Latency};
use super::method::Method;
use super::service::Service;
use super::stats::{MethodStats, ServiceStats};
use super::window::Window;
use super::workers::Workers;
use crate::wire::Code;
use crate::wire::frame::MAX_FRAME;
use crate::wire::protocol::{Codec, FramerBuilder};

/// What is the same for every connection of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// A connection on which no whole frame came for so long, and no request
    /// is under way, is closed; so is one that takes nothing of its replies.
    pub idle: Duration,
    /// The longest frame, in and out, in bytes.
    pub max_frame: usize,
    /// Requests of one connection that may be under way on workers; no more
    /// are taken until one of them ends.
    pub max_in_flight: usize,
    /// The same in bytes of their frames, and of their replies as long as the
    /// last ones were.
    pub max_in_flight_bytes: usize,
    /// Bytes of one connection's replies that may be unwritten; no more
    /// requests are taken until the peer reads them. Those under way may add
    /// `max_in_flight_bytes` to that; what is beyond is answered with code 31.
    pub max_unwritten: usize,
    /// A connection on which nothing has come for so long is probed by the
    /// kernel, so often, and closed when the other machine has answered neither three
    /// probes nor, on Linux, what was sent to it in four such times; `None` leaves
    /// that to the idle time, which does not run while a request is under way.
    pub keep_alive: Option<Duration>,
    /// Connections that may be open at a time; one more is closed as soon as it is
    /// accepted.
    pub max_connections: usize,
    /// How long a connection on which nothing is under way any more still answers, while
    /// the server stops, requests that come late, to say so: a peer that then sends no more
    /// has lost none. One that closes is not waited for.
    pub farewell: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            max_frame: MAX_FRAME,
            max_in_flight: 4096,
            max_in_flight_bytes: 2 * MAX_FRAME,
            max_unwritten: 1 << 20,
            keep_alive: Some(Duration::from_secs(15)),
            max_connections: usize::MAX,
            farewell: Duration::from_millis(250),
        }
    }
}

/// What is shown of the name of a method that is not there, in bytes.
const SHOWN_NAME: usize = 256;

/// How much longer handlers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Until their deadlines.
    No,
    /// Not much longer: they are told.
    Cancel,
    /// No longer: they are dropped.
    Abort,
}

pub(super) struct Running {
    pub(super) name: Arc<str>,
    addr: SocketAddr,
    protocol: &'static str,
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    /// What takes longer is logged.
    pub(super) slow: Duration,
    pub(super) methods: FxHashMap<Box<[u8]>, Method>,
    /// What is called when no other method is meant.
    pub(super) any: Option<Method>,
    pub(super) framer: Box<dyn FramerBuilder>,
    pub(super) codec: Box<dyn Codec>,
    pub(super) options: ServerOptions,
    pub(super) stop: watch::Sender<Stop>,
    /// Its workers; none for a service that is handled in line.
    pub(super) workers: Option<Workers>,
    /// How long handlers took of late.
    recent_latency: Window,
    /// From a request's reading to its start on a worker.
    pub(super) waited: Latency,
    recent_waited: Window,
    panics: AtomicU64,
    /// Errors are rare enough for a lock.
    errors: Mutex<BTreeMap<i32, u64>>,
    /// Connections that did not end well, by reason.
    broken: Mutex<BTreeMap<&'static str, u64>>,
    accept_failures: AtomicU64,
}

impl Running {
    pub(super) fn new<L>(
        service: Service<L>,
        addr: SocketAddr,
        options: ServerOptions,
        stop: watch::Sender<Stop>,
    ) -> Self {
        let Service {
            name,
            prefix,
            timeout,
            slow,
            methods,
            any,
            framer,
            codec,
            protocol,
            dispatch,
            ..
        } = service;
        let workers = Workers::new(&name, dispatch);
        Self {
            name,
            addr,
            protocol,
            prefix,
            timeout,
            slow: slow.unwrap_or(Duration::MAX),
            methods,
            any,
            framer,
            codec,
            options,
            stop,
            workers,
            recent_latency: Window::default(),
            waited: Latency::new(),
            recent_waited: Window::default(),
            panics: AtomicU64::new(0),
            errors: Mutex::default(),
            broken: Mutex::default(),
            accept_failures: AtomicU64::new(0),
        }
    }

    /// The method of this full name, or else the one of any.
    ///
    /// # Errors
    /// Code 11 or 12 when there is none.
    #[inline]
    pub(super) fn method(&self, name: &[u8]) -> Result<&Method, Failure> {
        let method = self.methods.get(name).or(self.any.as_ref());
        method.ok_or_else(|| self.unknown(name))
    }

    #[cold]
    fn unknown(&self, name: &[u8]) -> Failure {
        // A name as long as a head would not fit into that of the answer.
        let shown = String::from_utf8_lossy(&name[..name.len().min(SHOWN_NAME)]);
        if name.starts_with(self.prefix.as_bytes()) {
            return Failure::framework(Code::NO_METHOD, format!("there is no method {shown}"));
        }
        let here = &self.prefix;
        Failure::framework(
            Code::NO_SERVICE,
            format!("here is {here}, there is no {shown}"),
        )
    }

    pub(super) fn count_error(&self, number: i32) {
        *self.errors.lock().entry(number).or_default() += 1;
    }

    /// A request for `method` has failed, which may be no method of this service.
    pub(super) fn count_failed(&self, method: &[u8], number: i32) {
        self.count_error(number);
        if let Ok(method) = self.method(method) {
            method.figures.count_error(number);
        }
    }

    /// How long the handlers of all methods took.
    fn latency(&self) -> Counts {
        let mut counts = Counts::default();
        for method in self.methods.values().chain(&self.any) {
            method.figures.add_to(&mut counts);
        }
        counts
    }

    fn method_stats(&self) -> Vec<MethodStats> {
        let named = self.methods.iter().map(|(name, method)| {
            let name = String::from_utf8_lossy(name);
            method.stats(&name, self.timeout)
        });
        let any = self.any.as_ref();
        let any = any.map(|any| any.stats("*", self.timeout));
        let mut methods: Vec<_> = named.chain(any).collect();
        methods.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        methods
    }

    #[cold]
    pub(super) fn count_broken(&self, reason: &'static str) {
        *self.broken.lock().entry(reason).or_default() += 1;
    }

    #[cold]
    pub(super) fn count_accept_failure(&self) {
        self.accept_failures.fetch_add(1, Relaxed);
    }

    #[cold]
    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(super) fn stats(&self) -> ServiceStats {
        let methods = self.method_stats();
        let (latency, waited, now) = (self.latency(), self.waited.counts(), Instant::now());
        let recent = |window: &Window, counts: &Counts| window.read(now, counts).snapshot();
        ServiceStats {
            name: self.name.to_string(),
            addr: self.addr,
            protocol: self.protocol,
            timeout: self.timeout,
            load: self.workers.as_ref().map(Workers::load),
            succeeded: methods.iter().map(|method| method.succeeded).sum(),
            methods,
            delay: self.workers.as_ref().map(Workers::delay),
            control: self.workers.as_ref().and_then(Workers::control),
            recent_latency: recent(&self.recent_latency, &latency),
            recent_delay: self
                .workers
                .as_ref()
                .map(|_| recent(&self.recent_waited, &waited)),
            latency: latency.snapshot(),
            waited: self.workers.as_ref().map(|_| waited.snapshot()),
            panics: self.panics.load(Relaxed),
            errors: self.errors.lock().clone(),
            broken: self.broken.lock().clone(),
            accept_failures: self.accept_failures.load(Relaxed),
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
