//! The server: services, each with a port of its own, that speak the unary
//! tRPC wire.
//!
//! A [`Server`] has [`Service`]s; a service listens, and each connection has
//! one task. It reads many frames a read and writes many replies a write; in
//! between, a request is handled in line, or on the service's worker pool by
//! way of a recycled parameter. [`Server::shutdown`] ends it so that nothing
//! accepted is lost.

mod connection;
mod context;
mod exchange;
mod failure;
pub mod filter;
mod handle_param;
mod handler;
mod hooks;
mod latency;
mod lifecycle;
mod listener;
mod method;
mod outbox;
mod registry;
mod reply;
mod running;
mod runtime;
mod service;
mod session;
mod slow;
mod stats;
mod window;
mod workers;

pub use crate::urgency::{PRIORITY, USER};
pub use context::Context;
pub use failure::Failure;
pub use handler::Request;
pub use latency::LatencySnapshot;
pub use lifecycle::{BindError, Drained, Server};
pub use running::ServerOptions;
pub use runtime::runtime;
pub use service::{PoolOptions, Service};
pub use stats::{
    ConnectionStats, MethodStats, ObjectPools, PoolLoad, ServerStats, ServiceStats, StatsHandle,
};
