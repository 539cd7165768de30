//! The open connections of a server, by the addresses of their peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::outbox::Phase;
use super::session::Session;
use super::stats::{ConnectionStats, Totals};

/// The open connections, and the sums of those that have closed.
#[derive(Default)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Notified when the last one has closed.
    empty: Notify,
}

#[derive(Default)]
struct Inner {
    next: u64,
    /// A peer may have several: to each of the services, and one that closes
    /// while it connects again.
    open: BTreeMap<(SocketAddr, u64), Arc<Session>>,
    closed: Totals,
    phase: Phase,
}

/// A connection's place; it leaves when this is dropped, even by a panic.
pub(super) struct Registered {
    registry: Arc<Registry>,
    session: Arc<Session>,
    number: u64,
}

impl Registry {
    /// None when `most` are open already.
    pub(super) fn enter(
        self: &Arc<Self>,
        session: &Arc<Session>,
        most: usize,
    ) -> Option<Registered> {
        let mut inner = self.inner.lock();
        if inner.open.len() >= most {
            return None;
        }
        let number = inner.next;
        inner.next += 1;
        inner
            .open
            .insert((session.peer, number), Arc::clone(session));
        // One that comes late is told what the others were told.
        session.outbox.enter(inner.phase);
        Some(Registered {
            registry: Arc::clone(self),
            session: Arc::clone(session),
            number,
        })
    }

    /// Tells all connections, those to come as well.
    pub(super) fn tell(&self, phase: Phase) {
        let mut inner = self.inner.lock();
        inner.phase = inner.phase.max(phase);
        inner
            .open
            .values()
            .for_each(|session| session.outbox.enter(phase));
    }

    /// Completes when no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let empty = self.empty.notified();
            if self.inner.lock().open.is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// The sums over all connections there ever were, and how many are open.
    pub(super) fn totals(&self) -> (Totals, u64) {
        let inner = self.inner.lock();
        let mut totals = inner.closed;
        inner
            .open
            .values()
            .for_each(|session| totals.add(&session.figures));
        (totals, inner.open.len() as u64)
    }

    /// What each of the open connections did.
    pub(super) fn connections(&self) -> Vec<ConnectionStats> {
        let open = self.inner.lock().open.values().cloned().collect::<Vec<_>>();
        open.iter().map(|session| session.stats()).collect()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut inner = self.registry.inner.lock();
        inner.open.remove(&(self.session.peer, self.number));
        inner.closed.add(&self.session.figures);
        if inner.open.is_empty() {
            self.registry.empty.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (totals, open) = self.totals();
        f.debug_struct("Registry")
            .field("open", &open)
            .field("totals", &totals)
            .finish()
    }
}
