//! Pools of OS threads, for jobs that compute or block.

mod func;
mod park;
mod pool;
mod worker;

pub use func::{FuncPool, FuncPoolBuilder};
pub use pool::{Job, Pool, PoolBuilder};
