//! The client: calls that go over a few connections, many at a time on each.
//!
//! A [`Client`] connects when it is first called. Each connection has one
//! task, which writes many calls a write and reads many answers a read; a
//! connection that broke is replaced by the next call.
//!
//! A [`Balanced`] client has one of these for each server that its
//! [`Discovery`] tells, and makes calls again that failed; a [`Batcher`] puts
//! many messages into one call.

mod admission;
mod balanced;
mod batcher;
mod calls;
mod dial;
mod discovery;
mod endpoints;
mod error;
mod figures;
mod link;
mod link_task;
mod message;
mod options;
mod retry;
mod turns;

pub use balanced::{Balanced, BalancedOptions};
pub use batcher::{BatchOptions, Batcher};

pub use calls::Client;
pub use discovery::{Discovery, Dns};
pub use error::CallError;
pub use figures::{ClientFigures, Quantities, Update};
pub use options::{Answer, CallOptions, ClientOptions};
pub use retry::Retry;
