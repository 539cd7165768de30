//! The servers that are known, and which one is asked next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::calls::Client;
use super::figures::{Counts, Update};
use super::options::ClientOptions;

/// A server.
pub(super) struct Endpoint {
    pub(super) addr: SocketAddr,
    pub(super) client: Client,
    /// Not asked before, if there are others.
    down_until: Mutex<Option<Instant>>,
}

/// The servers of a service.
pub(super) struct Endpoints {
    all: RwLock<Vec<Arc<Endpoint>>>,
    options: ClientOptions,
    /// How long one that does not answer is left alone.
    rest: Duration,
}

impl Endpoints {
    pub(super) fn new(options: ClientOptions, rest: Duration) -> Self {
        Self {
            all: RwLock::default(),
            options,
            rest,
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.all.read().clone()
    }

    /// These are the servers from now on, unless they are none. Calls to
    /// those that have gone go on to their end.
    pub(super) fn update(&self, mut addrs: Vec<SocketAddr>, counts: &Counts) {
        if addrs.is_empty() {
            counts.updated(Update::KeptOnEmpty);
            return;
        }
        addrs.sort_unstable();
        addrs.dedup();
        let mut all = self.all.write();
        let stay = |one: &Arc<Endpoint>| addrs.contains(&one.addr);
        let mut next: Vec<_> = all.iter().filter(|one| stay(one)).cloned().collect();
        (next.len()..all.len()).for_each(|_| counts.updated(Update::Removed));
        for addr in addrs {
            if !next.iter().any(|one| one.addr == addr) {
                counts.updated(Update::Added);
                next.push(Arc::new(Endpoint {
                    addr,
                    client: Client::new(addr, self.options.clone()),
                    down_until: Mutex::default(),
                }));
            }
        }
        let gone = std::mem::replace(&mut *all, next);
        // Connections are closed outside the lock.
        drop(all);
        drop(gone);
    }

    /// The less busy of two that are drawn at random: of those that are up and
    /// that were not `tried`, if there are any.
    pub(super) fn pick(&self, tried: &[SocketAddr]) -> Option<Arc<Endpoint>> {
        let all = self.all.read();
        let now = Instant::now();
        let up = |one: &&Arc<Endpoint>| one.down_until.lock().is_none_or(|until| until <= now);
        let fresh = |one: &&Arc<Endpoint>| !tried.contains(&one.addr);
        let mut from: Vec<_> = all.iter().filter(up).filter(fresh).collect();
        if from.is_empty() {
            from = all.iter().filter(fresh).collect();
        }
        if from.is_empty() {
            from = all.iter().collect();
        }
        let draw = || from.get(rand::random_range(0..from.len().max(1)));
        let (one, other) = (draw()?, draw()?);
        let busy = |one: &Endpoint| one.client.waiting();
        let less = if busy(other) < busy(one) { other } else { one };
        Some(Arc::clone(less))
    }

    /// It cannot be reached, or does not answer: others are asked for a while, if there are any.
    pub(super) fn mark_down(&self, endpoint: &Endpoint, counts: &Counts) {
        if self.all.read().len() > 1 {
            *endpoint.down_until.lock() = Some(Instant::now() + self.rest);
            counts.updated(Update::Down);
        }
    }
}

impl Endpoint {
    /// It has answered.
    pub(super) fn mark_up(&self, counts: &Counts) {
        if self.down_until.lock().take().is_some() {
            counts.updated(Update::Recovered);
        }
    }
}
