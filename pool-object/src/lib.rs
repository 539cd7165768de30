#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(loom_models, allow(missing_docs))]

mod ageing;
mod asymmetric;
mod budget;
#[cfg(feature = "bytes")]
mod buffer;
#[cfg(feature = "bytes")]
mod buffer_pool;
mod cache;
#[cfg(feature = "checks")]
mod checks;
mod counters;
#[cfg(feature = "bytes")]
mod dealing;
mod depot;
mod front;
mod gate;
mod loan;
mod magazine;
mod object;
mod policy;
mod pool;
#[cfg(feature = "prometheus")]
mod prometheus;
mod registry;
mod shard;
#[cfg(feature = "bytes")]
mod size_class;
mod slot;
mod stamp;
mod static_pool;
mod stats;
mod store;
mod sweep;
mod sync;
mod thread;

#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
pub use {buffer::Buffer, buffer_pool::BufferPool};

#[cfg(feature = "checks")]
#[cfg_attr(docsrs, doc(cfg(feature = "checks")))]
pub use checks::{Checks, OpenLoan};
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::PoolCollector;

pub use loan::{Guard, Home, Loan, OwnedGuard};
pub use policy::{Policy, TryPolicy, WithReset};
pub use pool::{DEFAULT_MAX_IDLE, Pool};
pub use static_pool::StaticPool;
pub use stats::{Dropped, Hits, Stats};

#[cfg(loom_models)]
#[doc(hidden)]
pub use thread::end_of_thread;

#[doc(hidden)]
pub mod __private {
    pub use crate::{
        front::Front,
        static_pool::{PoolOf, get, get_or_error, with},
    };
}

/// The parts whose protocols are modelled by themselves.
#[cfg(loom_models)]
#[doc(hidden)]
pub mod parts {
    pub use crate::{
        asymmetric::{heavy, light},
        gate::Gate,
        object::Object,
        slot::Slot,
    };

    /// A buffer of a pool that loom's `Arc` keeps alive.
    #[cfg(feature = "bytes")]
    pub fn buffer<H>(home: H, capacity: usize) -> crate::Buffer<H>
    where
        H: std::ops::Deref<Target = crate::BufferPool>,
    {
        let memory = home.take(capacity);
        crate::Buffer::new(home, memory)
    }
}
