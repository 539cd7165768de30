//! The alarm system of the demo: metric points come in, alarms go out.
//!
//! `alarm.Check` matches [points](message::Point) against [policies](policy)
//! and asks `alarm.Notify` to tell people, by way of an [outbox]; Notify drops
//! what was told already, honours [shield times](shield) and leaves the rest to
//! its [channels](channel), each of which has a [queue](outlet) of its own.

pub mod channel;
pub mod check;
pub mod dedup;
mod lane;
pub mod loader;
pub mod log_file;
pub mod message;
pub mod notify;
pub mod outbox;
pub mod outlet;
pub mod policy;
pub mod service;
pub mod shield;
pub mod store;
pub mod synthetic;
pub mod table;
mod telling;
pub mod webhook;
