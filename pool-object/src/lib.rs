#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
#[cfg(feature = "bytes")]
mod buffer;
#[cfg(feature = "bytes")]
mod buffer_pool;
mod cache;
mod counters;
mod depot;
mod guard;
mod object;
mod owned_guard;
mod policy;
mod pool;
mod registry;
mod shard;
#[cfg(feature = "bytes")]
mod size_class;
mod stats;
mod store;
mod sync;
mod thread;

#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
pub use {buffer::Buffer, buffer_pool::BufferPool};

pub use guard::Guard;
pub use owned_guard::OwnedGuard;
pub use policy::{Policy, WithReset};
pub use pool::{DEFAULT_MAX_IDLE, Pool};
pub use stats::{Dropped, Hits, Stats};

#[cfg(loom_models)]
#[doc(hidden)]
pub use thread::end_of_thread;
