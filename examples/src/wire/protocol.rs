//! What a protocol is to the server: how its frames are found in a stream,
//! and what they say. Another one is plugged in with
//! [`Service::protocol`](crate::server::Service::protocol).
//!
//! The frame of a request becomes an [`Incoming`], whatever its protocol: the
//! head of tRPC's requests serves them all, with what a protocol does not
//! have left empty.

use bytes::Bytes;

use super::buffers::{Buffer, either};
use super::frame::{self, Frame, FrameError};
use super::head::{RequestProtocol, ResponseProtocol};

/// Gives each connection its [`Framer`] (`codec.FramerBuilder` of trpc-go).
pub trait FramerBuilder: Send + Sync + 'static {
    /// A framer for one connection. One that has nothing in it costs no
    /// memory.
    fn framer(&self) -> Box<dyn Framer>;
}

/// Finds the frames in what has been read (`codec.Framer` of trpc-go, which
/// reads by itself; here the connection does, many frames a read).
pub trait Framer: Send {
    /// The length of the frame that `bytes` begin with, of which there may be
    /// only a part; `None` when that cannot be told yet. The same bytes
    /// always have the same length, which is at least 1.
    ///
    /// # Errors
    /// As soon as what is there cannot become a frame of at most `max` bytes:
    /// the connection is closed, once the requests before it are answered.
    fn measure(&self, bytes: &[u8], max: usize) -> Result<Option<usize>, FrameError>;
}

impl Framer for Box<dyn Framer> {
    #[inline]
    fn measure(&self, bytes: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        (**self).measure(bytes, max)
    }
}

/// Reads requests out of frames, and puts replies into them (`codec.Codec` of
/// trpc-go, on the server's side).
pub trait Codec: Send + Sync + 'static {
    /// Reads a request from its whole frame, and what it asks for into `head`, which is
    /// empty: that is where it will stay.
    ///
    /// # Errors
    /// When it is none: the caller is told with code 1. What `head` holds then is of no
    /// use.
    fn decode(&self, frame: Bytes, head: &mut RequestProtocol) -> Result<Incoming, Undecodable>;

    /// Appends the frame of a reply to `out`, which grows as needed.
    ///
    /// # Errors
    /// When it would be longer than `max` bytes, or cannot be said in this
    /// protocol; nothing is appended then, and the caller is told with code 2.
    fn encode(&self, out: &mut Buffer, reply: &Outgoing<'_>, max: usize) -> Result<(), FrameError>;
}

/// A request, read from its frame, but for its head.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// Its number, which the reply echoes.
    pub id: u32,
    /// The version of the frame, which the reply echoes.
    pub version: u8,
    /// Its body, with the attachment if there is one.
    pub body: Bytes,
}

/// A frame in which there is no request.
#[derive(Clone, Debug, Default)]
pub struct Undecodable {
    /// Its number, as far as it can be told.
    pub id: u32,
    /// The version of the frame.
    pub version: u8,
    /// What is wrong with it.
    pub reason: String,
}

/// A reply on its way into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The number of the request.
    pub id: u32,
    /// The version of the request's frame.
    pub version: u8,
    /// How the request ended.
    pub head: &'a ResponseProtocol,
    /// The body, with the attachment if there is one.
    pub body: &'a [u8],
}

/// tRPC's unary calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trpc;

impl FramerBuilder for Trpc {
    fn framer(&self) -> Box<dyn Framer> {
        Box::new(*self)
    }
}

impl Framer for Trpc {
    #[inline]
    fn measure(&self, bytes: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        Ok(frame::measure(bytes, max)?.map(|lengths| lengths.frame))
    }
}

impl Codec for Trpc {
    #[inline]
    fn decode(
        &self,
        mut frame: Bytes,
        head: &mut RequestProtocol,
    ) -> Result<Incoming, Undecodable> {
        let frame = Frame::take(&mut frame);
        let (id, version) = (frame.id, frame.version);
        let undecodable = |reason| Undecodable {
            id,
            version,
            reason,
        };
        if frame.head().is_empty() {
            return Err(undecodable("there is no head".to_owned()));
        }
        match frame.read_head(head) {
            Ok(()) => Ok(Incoming {
                id,
                version,
                body: frame.into_body(),
            }),
            Err(error) => Err(undecodable(error.to_string())),
        }
    }

    #[inline]
    fn encode(&self, out: &mut Buffer, reply: &Outgoing<'_>, max: usize) -> Result<(), FrameError> {
        let Outgoing {
            id,
            version,
            head,
            body,
        } = *reply;
        either!(out, out => frame::encode(out, id, version, head, body, max))
    }
}
