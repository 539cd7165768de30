//! What a connection's task shares with the workers that handle its requests.

use std::net::SocketAddr;
use std::sync::Arc;

use super::exchange::Reply;
use super::outbox::Outbox;
use super::running::Running;
use super::stats::Figures;

/// The shared part of a connection.
pub(super) struct Session {
    pub(super) running: Arc<Running>,
    pub(super) peer: SocketAddr,
    pub(super) outbox: Outbox,
    pub(super) figures: Figures,
}

impl Session {
    pub(super) fn new(running: Arc<Running>, peer: SocketAddr) -> Self {
        Self {
            running,
            peer,
            outbox: Outbox::default(),
            figures: Figures::default(),
        }
    }

    /// A request that was read as `bytes` bytes has ended with this reply.
    pub(super) fn reply(&self, reply: &Reply, bytes: usize) {
        self.outbox.push(reply, bytes, &self.running);
    }
}
