#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod clock;
mod core;
mod delay;
mod engine;
mod error;
mod options;
mod queued;
mod recorder;
mod seat;
mod span;
mod stats;
mod sync;

#[cfg(feature = "tokio")]
pub mod tasks;
#[cfg(not(loom_models))]
pub mod threads;

pub use delay::{DelaySnapshot, RELATIVE_ERROR};
pub use error::{CloseError, Reason, SubmitError};
pub use options::PanicInfo;
pub use stats::Stats;

/// What the loom models look at; no part of the API.
#[cfg(loom_models)]
#[doc(hidden)]
pub mod models {
    pub use crate::core::{Accepted, Core, Next, Ticket, Worker};
    pub use crate::queued::Queued;
}
