#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attempt;
mod blocking;
mod callers;
mod cancelled;
mod carried;
mod cause;
mod context;
mod control;
mod current;
mod engine;
mod error;
mod escalations;
#[cfg(feature = "flow")]
pub mod flow;
mod follow;
mod gather;
mod gather_control;
mod gather_handle;
mod gather_scope;
mod gathered;
mod grace;
mod group;
mod handle;
mod job;
mod joined;
mod named;
mod panic;
mod park;
mod place;
mod policy;
mod queue;
mod report;
mod reported;
mod runner;
mod scope;
mod scope_control;
mod scope_place;
mod scope_runner;
mod shared;
mod spawn_wait;
mod state;
mod stats;
mod sync;
#[cfg(feature = "tokio-util")]
mod token;
mod verdict;
mod wait_error;
mod wakers;
mod word;

pub use cancelled::Cancelled;
pub use cause::{Cause, Reason};
pub use context::Context;
pub use error::{SpawnError, TrySpawnError};
pub use gather::Gather;
pub use gather_handle::GatherHandle;
pub use gather_scope::{GatherScope, gather_scope};
pub use gathered::{GatherError, Gathered};
pub use group::Group;
pub use handle::Handle;
pub use joined::{Joined, NoValue};
pub use named::{Named, named, named_job};
pub use panic::{Panic, record_panics};
pub use policy::Policy;
pub use report::{Outcome, TaskReport};
pub use scope::{Scope, scope, try_scope};
pub use spawn_wait::SpawnWait;
pub use stats::Stats;
pub use wait_error::WaitError;
