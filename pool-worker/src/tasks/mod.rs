//! Pools of tokio tasks, for jobs that await (feature `tokio`).
//!
//! A worker is a long-lived task that polls many jobs one after another,
//! instead of one spawn a job. Pools are made anywhere; jobs are submitted
//! inside of a tokio runtime, where the workers are started.

mod func;
mod pool;
mod worker;

pub use func::{FuncPool, FuncPoolBuilder};
pub use pool::{Job, Pool, PoolBuilder};
