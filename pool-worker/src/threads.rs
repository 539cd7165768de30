//! Worker pools over OS threads, for jobs that compute or block.
//!
//! Workers are threads that are made as jobs come, up to the capacity, and
//! sleep while there are none; the first is made with the pool. A pool that is
//! dropped without [`close`](FuncPool::close) is closed then, and the drop
//! waits until what was accepted has run and the threads have ended; no thread
//! outlives its pool. Two exceptions: a drop on one of the pool's own workers
//! does not wait for itself, and one after `close` does not wait again.

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
