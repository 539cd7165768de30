//! The buffers that bytes are read into and written from.
//!
//! One is held only while bytes are in flight: an idle connection holds none.

use pool_object::BufferPool;

/// Shared by all connections of the process, of servers and of clients.
pub static BUFFERS: BufferPool = BufferPool::new();

/// A buffer of [`BUFFERS`].
pub type Buffer = pool_object::Buffer;

/// The least that one read asks for, in bytes.
pub(crate) const READ: usize = 32 * 1024;
/// What a buffer of outgoing frames begins with, in bytes.
pub(crate) const WRITE: usize = 4 * 1024;
