//! A byte buffer on loan.

use crate::{BufferPool, size_class::Memory};
use bytes::{BufMut, Bytes, buf::UninitSlice};
use std::{
    fmt, io,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// Bytes copied by one `memcpy`. From here up glibc uses `rep movsb`, which on the AMD
/// processors that it was measured on is slower by a third; see DESIGN.md.
const PIECE: usize = 2048;

/// A byte buffer of a [`BufferPool`], whose memory goes back when it is dropped.
///
/// It starts empty. It is a [`BufMut`] and an [`io::Write`], both of which append,
/// and a slice of the bytes written so far. When it is full it moves to a larger
/// memory of the pool and sends its old one back.
///
/// `H` is how it holds its pool: `&'static BufferPool`, `&BufferPool`, or
/// `Arc<BufferPool>`. With the first and the last it can be [frozen](Self::freeze).
///
/// Reading into it needs no zeroing first: `tokio`'s `read_buf` takes any `BufMut`.
///
/// ```
/// use pool_object::BufferPool;
/// use tokio::io::AsyncReadExt;
///
/// static BUFFERS: BufferPool = BufferPool::new();
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let mut stream = &b"a request"[..];           // or a socket
/// let mut buf = BUFFERS.get(4096);
/// while stream.read_buf(&mut buf).await? > 0 {}
/// assert_eq!(&buf[..], b"a request");
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped at once, the buffer goes straight back"]
pub struct Buffer<H: Deref<Target = BufferPool> = &'static BufferPool> {
    home: H,
    memory: ManuallyDrop<Memory>,
    #[cfg(feature = "checks")]
    ticket: crate::checks::Ticket,
}

impl<H: Deref<Target = BufferPool>> Buffer<H> {
    #[inline]
    #[cfg_attr(feature = "checks", track_caller)]
    pub(crate) fn new(home: H, memory: Memory) -> Self {
        Self {
            #[cfg(feature = "checks")]
            ticket: home.checker().open_loan(),
            home,
            memory: ManuallyDrop::new(memory),
        }
    }

    /// Bytes it can hold before it moves to a larger memory.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// assert_eq!((pool.get(1).capacity(), pool.get(257).capacity()), (256, 512));
    /// ```
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Appends `bytes`.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// use std::io::Write;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(256);
    /// buf.extend_from_slice(b"as bytes, ");
    /// write!(buf, "or formatted: {}", 7)?;
    /// assert_eq!(&buf[..], b"as bytes, or formatted: 7");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// If it would hold more than `isize::MAX` bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        for piece in bytes.chunks(PIECE) {
            self.memory.extend_from_slice(piece);
        }
    }

    /// Makes sure that `additional` bytes more can be written without a move.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(256);
    /// buf.reserve(1000);
    /// assert_eq!(buf.capacity(), 1024);
    /// ```
    ///
    /// # Panics
    /// If it would hold more than `isize::MAX` bytes.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        if additional > self.memory.capacity() - self.memory.len() {
            self.grow(additional);
        }
    }

    /// Makes it `len` bytes long, by cutting it or by appending `value`.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(4);
    /// buf.resize(3, b'-');
    /// assert_eq!(&buf[..], b"---");
    /// ```
    ///
    /// # Panics
    /// If it would hold more than `isize::MAX` bytes.
    pub fn resize(&mut self, len: usize, value: u8) {
        self.reserve(len.saturating_sub(self.memory.len()));
        self.memory.resize(len, value);
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.memory.truncate(len);
    }

    /// Forgets what was written; the memory stays.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(256);
    /// buf.resize(3, b'x');
    /// buf.truncate(2);
    /// assert_eq!(&buf[..], b"xx");
    /// buf.clear();
    /// assert!(buf.is_empty() && buf.capacity() == 256);
    /// ```
    pub fn clear(&mut self) {
        self.memory.clear();
    }

    /// The bytes written, in memory that does not go back to the pool.
    ///
    /// ```
    /// # use pool_object::BufferPool;
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(256);
    /// buf.extend_from_slice(b"mine");
    /// let mine: Vec<u8> = buf.into_vec();
    /// assert_eq!((&mine[..], pool.stats().idle), (&b"mine"[..], 0));
    /// ```
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut **self.memory)
    }

    /// Turns it into shared bytes, without a copy; the last clone of them, or of a
    /// part of them, brings the memory home, from whichever thread.
    ///
    /// The pool must outlive the bytes: it is in a `static`, or the buffer comes from
    /// [`BufferPool::get_owned`].
    ///
    /// ```
    /// # use {bytes::Bytes, pool_object::BufferPool, std::sync::Arc};
    /// let pool = Arc::new(BufferPool::new());
    /// let mut buf = pool.get_owned(10);
    /// buf.extend_from_slice(b"frame");
    /// let frozen: Bytes = buf.freeze();
    /// assert_eq!((pool.stats().idle, &frozen[..]), (0, &b"frame"[..]));
    /// drop(frozen);
    /// assert_eq!(pool.stats().idle, 1);
    /// ```
    /// ```compile_fail,E0597
    /// # use {bytes::Bytes, pool_object::BufferPool, std::sync::Arc};
    /// let pool = BufferPool::new();
    /// let mut buf = pool.get(10);
    /// buf.extend_from_slice(b"frame");
    /// let frozen: Bytes = buf.freeze();
    /// ```
    #[must_use]
    pub fn freeze(self) -> Bytes
    where
        H: Send + 'static,
    {
        if self.memory.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(self)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, additional: usize) {
        let needed = self
            .memory
            .len()
            .checked_add(additional)
            .expect("a buffer holds at most isize::MAX bytes");
        // Twice as much past the size classes too, so that appending stays linear.
        let wanted = needed.max(self.memory.capacity().saturating_mul(2));
        let mut larger = self.home.take(wanted);
        larger.extend_from_slice(&self.memory);
        let outgrown = std::mem::replace(&mut *self.memory, larger);
        self.home.put(outgrown);
    }
}

impl<H: Deref<Target = BufferPool>> Drop for Buffer<H> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(feature = "checks")]
        self.home.checker().close_loan(self.ticket);
        // SAFETY: nothing uses the buffer after its drop.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        self.home.put(memory);
    }
}

// SAFETY: `chunk_mut` is the uninitialised rest of the vector, which is never left
// empty while `remaining_mut` is not 0; `advance_mut` is the vector's.
unsafe impl<H: Deref<Target = BufferPool>> BufMut for Buffer<H> {
    #[inline]
    fn remaining_mut(&self) -> usize {
        self.memory.remaining_mut()
    }

    #[inline]
    unsafe fn advance_mut(&mut self, written: usize) {
        // SAFETY: the caller has written as many bytes to `chunk_mut`.
        unsafe { self.memory.advance_mut(written) };
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        // Before the vector does so by itself, outside of the size classes.
        self.reserve(1);
        self.memory.chunk_mut()
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_bytes(&mut self, value: u8, count: usize) {
        self.reserve(count);
        let len = self.memory.len() + count;
        self.memory.resize(len, value);
    }
}

impl<H: Deref<Target = BufferPool>> io::Write for Buffer<H> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<H: Deref<Target = BufferPool>> Deref for Buffer<H> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.memory
    }
}

impl<H: Deref<Target = BufferPool>> DerefMut for Buffer<H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl<H: Deref<Target = BufferPool>> AsRef<[u8]> for Buffer<H> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<H: Deref<Target = BufferPool>> AsMut<[u8]> for Buffer<H> {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl<H: Deref<Target = BufferPool>> fmt::Debug for Buffer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.memory.len())
            .field("capacity", &self.memory.capacity())
            .finish()
    }
}
