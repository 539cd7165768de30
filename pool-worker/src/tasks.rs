//! Worker pools over tokio tasks, for jobs that wait.
//!
//! Workers are long-lived tasks, made as jobs come, up to the capacity; each
//! polls one job after another to its end, instead of one spawn a job. Between
//! jobs that never wait, a worker yields to the runtime now and then.
//!
//! A pool that is dropped without [`close`](FuncPool::close) is closed then:
//! its workers finish what was accepted and end, and the drop does not wait.
//! When the runtime of the workers is shut down, the pool closes; jobs that
//! were accepted and had not ended are dropped with it, and counted as
//! [`cancelled`](crate::Stats::cancelled).

mod calls;
mod controlled_pool;
mod func_build;
mod func_pool;
mod job;
mod pool;
mod settings;
mod sub_pool;
mod work;

pub use controlled_pool::ControlledPool;
pub use func_pool::FuncPool;
pub use pool::Pool;
pub use sub_pool::SubPool;
