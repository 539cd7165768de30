//! From a socket to frames, without a copy.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::buffers::{self, Buffer, READ, either};
use super::frame::{Frame, FrameError};
use super::protocol::{Framer, Trpc};

/// What has come of a frame is kept in so little while more is waited for, if it fits:
/// a peer that sends a byte and stops costs no buffer that a read needs.
const HELD: usize = 1024;

/// Reads frames: as many with one read as there are.
///
/// Memory is held only between the first byte of a frame and its last, and
/// grows with what has come, never with what a head says will come.
pub struct FrameReader<F = Trpc> {
    buffer: Option<Buffer>,
    max_frame: usize,
    framer: F,
}

/// Whole frames that came with one read. It iterates over those of tRPC; see
/// [`split`](Self::split).
#[derive(Clone, Debug, Default)]
pub struct Frames(Bytes);

impl FrameReader {
    /// A reader of tRPC's frames, of at most `max_frame` bytes.
    #[must_use]
    pub const fn new(max_frame: usize) -> Self {
        Self::of(Trpc, max_frame)
    }
}

impl<F: Framer> FrameReader<F> {
    /// A reader of the frames that `framer` finds, of at most `max_frame` bytes.
    #[must_use]
    pub const fn of(framer: F, max_frame: usize) -> Self {
        Self {
            buffer: None,
            max_frame,
            framer,
        }
    }

    /// What finds the frames.
    #[must_use]
    pub const fn framer(&self) -> &F {
        &self.framer
    }

    /// Forgets what has come of a frame.
    pub fn clear(&mut self) {
        self.buffer = None;
    }

    /// Whether it is in the middle of a frame.
    #[must_use]
    pub fn is_amid_frame(&self) -> bool {
        self.buffer.is_some()
    }

    /// Reads once; how many bytes came, 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let mut buffer = match self.buffer.take() {
            None => buffers::get(READ),
            Some(held) if held.capacity() < READ => moved(&held, READ),
            Some(buffer) => buffer,
        };
        if buffer.len() == buffer.capacity() {
            buffer.reserve(buffer.len());
        }
        let filled = either!(&mut buffer, buffer => pin!(stream.read_buf(buffer)).poll(cx));
        // An empty one goes back, so that who waits holds no memory.
        if !buffer.is_empty() {
            let is_little = filled.is_pending() && buffer.len() <= HELD;
            self.buffer = Some(if is_little {
                moved(&buffer, HELD)
            } else {
                buffer
            });
        }
        let count = ready!(filled)?;
        Poll::Ready(Ok(count))
    }

    /// The whole frames read so far, and whether what follows can become one.
    pub fn frames(&mut self) -> (Frames, Result<(), FrameError>) {
        let Some(mut buffer) = self.buffer.take() else {
            return (Frames::default(), Ok(()));
        };
        let mut whole = 0;
        let rest = loop {
            match self.framer.measure(&buffer[whole..], self.max_frame) {
                Ok(Some(length)) if length <= buffer.len() - whole => whole += length,
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if whole == 0 {
            self.buffer = Some(buffer);
            return (Frames::default(), rest);
        }
        if whole < buffer.len() && rest.is_ok() {
            self.buffer = Some(moved(&buffer[whole..], READ));
        }
        buffer.truncate(whole);
        (Frames(buffer.freeze()), rest)
    }
}

/// The same bytes, in a buffer of another size.
fn moved(bytes: &[u8], capacity: usize) -> Buffer {
    let mut buffer = buffers::get(capacity);
    buffer.put_slice(bytes);
    buffer
}

impl Frames {
    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one as it came, of the protocol that `framer` is of.
    #[inline]
    pub fn split(&mut self, framer: &impl Framer) -> Option<Bytes> {
        if self.0.is_empty() {
            return None;
        }
        match framer.measure(&self.0, usize::MAX) {
            Ok(Some(length)) if length < self.0.len() => Some(self.0.split_to(length)),
            // The last one, which has been found to be whole.
            _ => Some(std::mem::take(&mut self.0)),
        }
    }
}

impl<F> std::fmt::Debug for FrameReader<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader")
            .field("buffer", &self.buffer)
            .field("max_frame", &self.max_frame)
            .finish_non_exhaustive()
    }
}

impl Iterator for Frames {
    type Item = Frame;

    #[inline]
    fn next(&mut self) -> Option<Frame> {
        (!self.0.is_empty()).then(|| Frame::take(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::wire::frame::{MAX_FRAME, encode};
    use crate::wire::head::RequestProtocol;

    #[tokio::test]
    async fn a_peer_that_stops_after_some_bytes_costs_little_memory() {
        let mut frame = bytes::BytesMut::new();
        let head = RequestProtocol::default();
        encode(&mut frame, 7, 1, &head, &[1; 40_000], MAX_FRAME).unwrap();
        let (mut peer, mut stream) = duplex(64);
        let mut reader = FrameReader::new(MAX_FRAME);
        let mut cx = Context::from_waker(Waker::noop());
        for begin in [0..1, 1..2, 2..40] {
            peer.write_all(&frame[begin]).await.unwrap();
            assert!(reader.poll_fill(&mut cx, &mut stream).is_ready());
            assert!(reader.frames().0.is_empty());
            assert!(reader.poll_fill(&mut cx, &mut stream).is_pending());
            let held = reader.buffer.as_ref().map(Buffer::capacity);
            assert_eq!(held, Some(HELD));
        }
        // Nothing of it is lost.
        let rest = frame[40..].to_vec();
        tokio::spawn(async move { peer.write_all(&rest).await });
        let read = loop {
            std::future::poll_fn(|cx| reader.poll_fill(cx, &mut stream))
                .await
                .unwrap();
            if let Some(read) = reader.frames().0.next() {
                break read;
            }
        };
        assert_eq!((read.id, read.into_body()), (7, vec![1; 40_000].into()));
        assert!(!reader.is_amid_frame());
    }
}
