//! What a connection's task shares with the workers that handle its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::outbox::Outbox;
use super::reply::Reply;
use super::running::Running;
use super::stats::{ConnectionStats, Figures, Totals};

/// The shared part of a connection.
pub(super) struct Session {
    pub(super) running: Arc<Running>,
    pub(super) peer: SocketAddr,
    pub(super) outbox: Outbox,
    pub(super) figures: Figures,
    opened: Instant,
}

impl Session {
    pub(super) fn new(running: Arc<Running>, peer: SocketAddr) -> Self {
        Self {
            running,
            peer,
            outbox: Outbox::default(),
            figures: Figures::default(),
            opened: Instant::now(),
        }
    }

    /// A request that was read as `bytes` bytes has ended with this reply.
    pub(super) fn reply(&self, reply: &Reply, bytes: usize) {
        self.outbox.push(reply, bytes, &self.running);
    }

    pub(super) fn stats(&self) -> ConnectionStats {
        let mut totals = Totals::default();
        totals.add(&self.figures);
        ConnectionStats {
            peer: self.peer,
            service: self.running.name.to_string(),
            age: self.opened.elapsed(),
            accepted: totals.accepted,
            replied: totals.replied,
            in_flight: self.figures.open(),
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
        }
    }
}
