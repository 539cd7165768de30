//! The client: calls that go over a few connections, many at a time on each.
//!
//! A [`Client`] connects when it is first called. Each connection has one
//! task, which writes many calls a write and reads many answers a read; a
//! connection that broke is replaced by the next call.

mod calls;
mod error;
mod link;
mod link_task;

pub use calls::{Answer, CallOptions, Client, ClientOptions};
pub use error::CallError;
