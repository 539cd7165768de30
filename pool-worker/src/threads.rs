//! Worker pools over OS threads, for jobs that compute or block.
//!
//! Workers are threads that are made as jobs come, up to the capacity, and
//! sleep while there are none; the first is made with the pool. A pool that is
//! dropped without [`close`](FuncPool::close) is closed then, and the drop
//! waits until what was accepted has run and every worker has left. Two
//! exceptions: a drop on one of the pool's own workers, or of its
//! [`MultiPool`](crate::MultiPool), does not wait for itself, and one after `close` does
//! not wait again.
//!
//! Once a worker has left, no job, state of a worker, hook or handler of the pool runs on
//! its thread. The thread itself ends a moment later: what its thread-locals do as they
//! are dropped comes after, and the last one of pool and workers to be gone drops the
//! function with what that captured.

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
