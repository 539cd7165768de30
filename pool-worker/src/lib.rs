#![doc = include_str!("../README.md")]

#[cfg(loom_models)]
#[doc(hidden)]
pub mod abandoning;
mod any_pool;
mod batch;
mod block_on;
mod call;
mod clock;
mod delay;
mod delay_snapshot;
mod dispatcher;
mod error;
mod face;
mod handle;
mod histogram;
mod hooks;
mod identity;
mod idle;
mod job_error;
mod line;
mod multi_pool;
mod nesting;
mod options;
mod outcome;
pub mod overload;
mod panic;
mod permits;
#[cfg(feature = "prometheus")]
mod prometheus;
mod queue;
mod rejections;
mod room;
mod span;
mod stats;
mod submit;
mod sync;
#[cfg(feature = "tokio")]
pub mod tasks;
pub mod threads;
mod try_submit;
mod wait;
mod wakers;
mod window;
mod worker;

pub use any_pool::AnyPool;
pub use batch::{Batch, BatchOutcome, Ticket};
pub use call::Call;
pub use delay_snapshot::DelaySnapshot;
pub use error::{
    BuildError, CloseError, CloseReason, DisplaceError, Reason, ReopenError, ReopenReason,
    SubmitError,
};
pub use handle::Handle;
pub use job_error::{JobError, JobFailure};
pub use multi_pool::{MultiPool, MultiPoolError, Strategy};
pub use options::{Buildable, Builder};
pub use panic::JobPanic;
#[cfg(feature = "prometheus")]
pub use prometheus::PoolCollector;
pub use rejections::Rejections;
pub use stats::Stats;
pub use try_submit::{BulkError, TrySubmit};
pub use window::{Recent, Window};
