//! The alarm system of the demo: metric points come in, alarms go out.
//!
//! `alarm.Check` matches [points](message::Point) against [policies](policy)
//! and asks `alarm.Notify` to tell people; Notify drops what was told
//! already, honours [shield times](shield) and fans out to its
//! [channels](channel).

pub mod channel;
pub mod check;
pub mod dedup;
pub mod loader;
pub mod message;
pub mod notify;
pub mod outbox;
pub mod policy;
pub mod service;
pub mod shield;
pub mod store;
pub mod synthetic;
pub mod table;
pub mod webhook;
