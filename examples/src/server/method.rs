//! The methods of a service, each a chain of filters and a handler behind one
//! pointer.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::ReusableBoxFuture;

use super::filter::{self, Filter, Outcome};
use super::handler::Request;
use super::latency::{Counts, Latency};
use super::stats::MethodStats;
use crate::logging::Sampler;

/// Slow requests of a method that are logged in a second.
const SLOW_PER_SECOND: u32 = 10;

/// The future of a request, in memory that the next one can use: calls of
/// methods whose futures are of one size allocate nothing.
pub(super) struct Slot(ReusableBoxFuture<'static, Outcome>);

impl Slot {
    pub(super) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Outcome> {
        self.0.poll(cx)
    }

    /// Drops the request that runs in it.
    ///
    /// # Panics
    /// When that does.
    #[cold]
    pub(super) fn abort(&mut self) {
        *self = Self::default();
    }
}

impl Default for Slot {
    /// Without memory, until there is a request.
    fn default() -> Self {
        Self(ReusableBoxFuture::new(pending()))
    }
}

/// What calls a method.
pub(super) trait Call: Send + Sync {
    /// Begins a request, to be polled in `slot`.
    fn call(&self, request: Request, slot: &mut Slot);
}

pub(super) struct Method {
    pub(super) call: Box<dyn Call>,
    pub(super) timeout: Option<Duration>,
    /// Its slow requests, as far as they are logged.
    pub(super) slow: Sampler,
    pub(super) figures: Arc<Figures>,
}

/// What became of a method's requests.
pub(super) struct Figures {
    latency: Latency,
    /// Of those that a handler saw.
    failed: AtomicU64,
    /// Errors are rare enough for a lock.
    errors: Mutex<BTreeMap<i32, u64>>,
}

impl Figures {
    fn new() -> Self {
        Self {
            latency: Latency::new(),
            failed: AtomicU64::new(0),
            errors: Mutex::default(),
        }
    }

    /// A handler has ended.
    #[inline]
    pub(super) fn ended(&self, took: Duration, failed: bool) {
        if failed {
            // Before the other count: what ended well is never below zero.
            self.failed.fetch_add(1, Relaxed);
        }
        self.latency.record(took);
    }

    /// Adds how long handlers took.
    pub(super) fn add_to(&self, counts: &mut Counts) {
        self.latency.add_to(counts);
    }

    pub(super) fn count_error(&self, number: i32) {
        *self.errors.lock().entry(number).or_default() += 1;
    }

    fn stats(&self, name: &str, timeout: Duration) -> MethodStats {
        let latency = self.latency.snapshot();
        MethodStats {
            name: name.to_owned(),
            timeout,
            succeeded: latency.count.saturating_sub(self.failed.load(Relaxed)),
            errors: self.errors.lock().clone(),
            latency,
        }
    }
}

struct Chained<S>(S);

impl Method {
    /// A method of `layers` around a handler.
    pub(super) fn new<H, L>(layers: &L, handler: H) -> Self
    where
        L: tower::Layer<filter::Unpacked<H>, Service: Filter>,
    {
        Self {
            call: Box::new(Chained(filter::chain(layers, handler))),
            timeout: None,
            slow: Sampler::per_second(SLOW_PER_SECOND),
            figures: Arc::new(Figures::new()),
        }
    }

    /// Its figures, where its service has this timeout.
    pub(super) fn stats(&self, name: &str, timeout: Duration) -> MethodStats {
        let timeout = self.timeout.map_or(timeout, |own| own.min(timeout));
        self.figures.stats(name, timeout)
    }
}

impl<S: Filter> Call for Chained<filter::Chain<S>> {
    #[inline]
    fn call(&self, request: Request, slot: &mut Slot) {
        slot.0.set(filter::run(&self.0, request));
    }
}
