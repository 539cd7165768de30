#![doc = include_str!("../README.md")]

mod block_on;
mod clock;
mod delay;
mod dispatcher;
mod error;
mod face;
mod handle;
mod histogram;
mod idle;
mod line;
mod nesting;
mod options;
mod outcome;
pub mod overload;
mod panic;
mod queue;
mod span;
mod stats;
mod submit;
mod sync;
#[cfg(feature = "tokio")]
pub mod tasks;
pub mod threads;
mod worker;

pub use delay::DelaySnapshot;
pub use error::{CloseError, DisplaceError, Reason, ReopenError, SubmitError};
pub use handle::{Handle, JobError};
pub use options::{Buildable, Builder};
pub use panic::JobPanic;
pub use stats::Stats;
