//! The buffers that bytes are read into and written from.
//!
//! One is held only while bytes are in flight: an idle connection holds none.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use pool_object::BufferPool;

/// Shared by all connections of the process, of servers and of clients.
pub static BUFFERS: BufferPool = BufferPool::new();

/// Whether buffers come from the allocator instead, see [`without_pool`].
static WITHOUT_POOL: AtomicBool = AtomicBool::new(false);

/// The least that one read asks for, in bytes.
pub(crate) const READ: usize = 32 * 1024;
/// What a buffer of outgoing frames begins with, in bytes.
pub(crate) const WRITE: usize = 4 * 1024;

/// A buffer of [`BUFFERS`], or one as it would be without that pool.
#[derive(Debug)]
pub enum Buffer {
    /// Of the pool.
    Pooled(pool_object::Buffer),
    /// Of the allocator.
    Plain(BytesMut),
}

/// An empty buffer of at least so many bytes.
#[inline]
pub(crate) fn get(capacity: usize) -> Buffer {
    if WITHOUT_POOL.load(Ordering::Relaxed) {
        Buffer::Plain(BytesMut::with_capacity(capacity))
    } else {
        Buffer::Pooled(BUFFERS.get(capacity))
    }
}

/// Has the process do without the pool from now on.
pub(crate) fn without_pool() {
    WITHOUT_POOL.store(true, Ordering::Relaxed);
}

/// The same done with either, each of which is a `BufMut` by itself.
macro_rules! either {
    ($buffer:expr, $inner:ident => $result:expr) => {
        match $buffer {
            $crate::wire::buffers::Buffer::Pooled($inner) => $result,
            $crate::wire::buffers::Buffer::Plain($inner) => $result,
        }
    };
}

impl Buffer {
    /// Bytes it can hold before it moves to a larger memory.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        either!(self, buffer => buffer.capacity())
    }

    /// Makes room for so many bytes more.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        either!(self, buffer => buffer.reserve(additional));
    }

    /// Keeps the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        either!(self, buffer => buffer.truncate(len));
    }

    /// Appends `bytes`.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        either!(self, buffer => buffer.put_slice(bytes));
    }

    /// Forgets what was written.
    #[inline]
    pub fn clear(&mut self) {
        either!(self, buffer => buffer.clear());
    }

    /// Its bytes, to be shared, without a copy.
    #[inline]
    #[must_use]
    pub fn freeze(self) -> Bytes {
        either!(self, buffer => buffer.freeze())
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        either!(self, buffer => buffer)
    }
}

pub(crate) use either;
