//! Frames: a fixed head of 16 bytes, the protobuf head, the body.
//!
//! | bytes | |
//! |---|---|
//! | 0-1 | magic `0x0930` |
//! | 2 | frame type: 0 unary, 1 stream |
//! | 3 | stream type |
//! | 4-7 | length of the whole frame |
//! | 8-9 | length of the protobuf head |
//! | 10-13 | stream id; the request id of a unary call |
//! | 14 | version |
//! | 15 | reserved |

use bytes::{Buf, BufMut, Bytes};
use prost::{DecodeError, Message};

/// The first two bytes of every frame.
pub const MAGIC: u16 = 0x0930;
/// Length of the fixed head, and so of the shortest frame.
pub const FIXED_HEAD: usize = 16;
/// The longest frame, unless something else is said: 10 MiB.
pub const MAX_FRAME: usize = 10 << 20;
/// The version that clients send.
pub const VERSION: u8 = 1;

const UNARY: u8 = 0;
/// A protobuf head of so many bytes is short, as most are.
const SHORT_HEAD: usize = 112;
/// The field `request_id` of a response, 0 written out.
const REQUEST_ID_ZERO: [u8; 2] = [3 << 3, 0];

/// Why bytes are no frame, or something does not fit into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It does not begin as a frame does.
    #[error("magic {0:#06x} instead of {MAGIC:#06x}")]
    Magic(u16),
    /// It says it is shorter than its fixed head.
    #[error("frame of {0} bytes, but the fixed head alone has {FIXED_HEAD}")]
    TooShort(usize),
    /// It says it is longer than is let in.
    #[error("frame of {length} bytes, but at most {max} are let in")]
    TooLong {
        /// What it says.
        length: usize,
        /// What is let in.
        max: usize,
    },
    /// Its protobuf head ends behind it.
    #[error("head of {head} bytes in a frame of {length}")]
    HeadTooLong {
        /// Length of the protobuf head.
        head: usize,
        /// Length of the frame.
        length: usize,
    },
    /// It cannot be said in this protocol.
    #[error("the protocol has no words for {0}")]
    Unsayable(&'static str),
    /// It is no unary call.
    #[error("frame type {0}, but only unary calls are served")]
    NotUnary(u8),
}

impl FrameError {
    /// Its kind, in one word, for figures.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Magic(_) => "magic",
            Self::TooShort(_) => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::HeadTooLong { .. } => "head_too_long",
            Self::Unsayable(_) => "unsayable",
            Self::NotUnary(_) => "not_unary",
        }
    }
}

/// The lengths that a fixed head tells, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Of the whole frame.
    pub frame: usize,
    /// Of the protobuf head.
    pub head: usize,
}

/// Reads the lengths of the frame that `bytes` begin with, of which there may
/// be only a part; `None` when that is not even the fixed head.
///
/// # Errors
/// As soon as what is there cannot become a frame of at most `max` bytes.
pub fn measure(bytes: &[u8], max: usize) -> Result<Option<Lengths>, FrameError> {
    let Some(fixed) = bytes.first_chunk::<FIXED_HEAD>() else {
        // Who speaks something else is not waited for.
        return match bytes {
            [high, low, ..] => magic(*high, *low).map(|()| None),
            _ => Ok(None),
        };
    };
    magic(fixed[0], fixed[1])?;
    if fixed[2] != UNARY {
        return Err(FrameError::NotUnary(fixed[2]));
    }
    let lengths = lengths(fixed);
    let Lengths {
        frame: length,
        head,
    } = lengths;
    if length < FIXED_HEAD {
        return Err(FrameError::TooShort(length));
    }
    if length > max {
        return Err(FrameError::TooLong { length, max });
    }
    if head > length - FIXED_HEAD {
        return Err(FrameError::HeadTooLong { head, length });
    }
    Ok(Some(lengths))
}

#[inline]
fn magic(high: u8, low: u8) -> Result<(), FrameError> {
    match u16::from_be_bytes([high, low]) {
        MAGIC => Ok(()),
        other => Err(FrameError::Magic(other)),
    }
}

#[inline]
fn lengths(fixed: &[u8; FIXED_HEAD]) -> Lengths {
    let [_, _, _, _, a, b, c, d, e, f, ..] = *fixed;
    Lengths {
        frame: u32::from_be_bytes([a, b, c, d]) as usize,
        head: usize::from(u16::from_be_bytes([e, f])),
    }
}

/// A frame: a slice of what was read.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The stream id, which is the request id of a unary call.
    pub id: u32,
    /// The version, which a response echoes.
    pub version: u8,
    head: usize,
    bytes: Bytes,
}

impl Frame {
    /// Takes the frame that `bytes` begin with, which [`measure`] has found
    /// to be there as a whole.
    ///
    /// # Panics
    /// When it is not.
    #[inline]
    pub(crate) fn take(bytes: &mut Bytes) -> Self {
        let fixed: &[u8; FIXED_HEAD] = bytes.first_chunk().expect("a whole frame");
        let Lengths { frame, head } = lengths(fixed);
        let id = u32::from_be_bytes([fixed[10], fixed[11], fixed[12], fixed[13]]);
        let version = fixed[14];
        let mut whole = if frame == bytes.len() {
            std::mem::take(bytes)
        } else {
            bytes.split_to(frame)
        };
        whole.advance(FIXED_HEAD);
        Self {
            id,
            version,
            head,
            bytes: whole,
        }
    }

    /// How many bytes it holds.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a frame is never empty
    pub fn len(&self) -> usize {
        FIXED_HEAD + self.bytes.len()
    }

    /// The protobuf head, encoded.
    #[must_use]
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    /// Reads the protobuf head into `head`, which is empty. Bytes in it are slices of
    /// the frame.
    ///
    /// # Errors
    /// When it is none.
    #[inline]
    pub fn read_head(&self, head: &mut impl Message) -> Result<(), DecodeError> {
        head.merge(Shared {
            whole: &self.bytes,
            rest: self.head(),
        })
    }

    /// The body, with the attachment if there is one.
    #[must_use]
    pub fn into_body(mut self) -> Bytes {
        self.bytes.advance(self.head);
        self.bytes
    }
}

/// What is left to read of shared bytes. To read on costs nothing, unlike that of
/// [`Bytes`] themselves: only what is kept is counted as an owner.
struct Shared<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl Buf for Shared<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.rest
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    #[inline]
    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        let (kept, rest) = self.rest.split_at(count);
        self.rest = rest;
        self.whole.slice_ref(kept)
    }
}

/// Appends a frame to `out`, which grows as needed.
///
/// # Errors
/// When it would be longer than `max`, or its head longer than 65,535 bytes;
/// nothing is appended then.
pub fn encode(
    out: &mut impl BufMut,
    id: u32,
    version: u8,
    head: &impl Message,
    body: &[u8],
    max: usize,
) -> Result<(), FrameError> {
    let encoded = head.encoded_len();
    // A head of nothing but defaults encodes to nothing, which peers refuse:
    // a field is written out that says the same.
    let head_length = if encoded == 0 {
        REQUEST_ID_ZERO.len()
    } else {
        encoded
    };
    let length = FIXED_HEAD + head_length + body.len();
    let max = max.min(u32::MAX as usize);
    if length > max {
        return Err(FrameError::TooLong { length, max });
    }
    let Ok(short) = u16::try_from(head_length) else {
        return Err(FrameError::HeadTooLong {
            head: head_length,
            length,
        });
    };
    // Both heads are put together on the stack, where that is cheap.
    let mut heads = [0; FIXED_HEAD + SHORT_HEAD];
    let (fixed, short_head) = heads.split_at_mut(FIXED_HEAD);
    fixed[0..2].copy_from_slice(&MAGIC.to_be_bytes());
    // Checked above: it fits.
    fixed[4..8].copy_from_slice(&(length as u32).to_be_bytes());
    fixed[8..10].copy_from_slice(&short.to_be_bytes());
    fixed[10..14].copy_from_slice(&id.to_be_bytes());
    fixed[14] = version;
    if encoded == 0 {
        short_head[..head_length].copy_from_slice(&REQUEST_ID_ZERO);
        out.put_slice(&heads[..FIXED_HEAD + head_length]);
    } else if encoded <= SHORT_HEAD {
        // Raw, for there is room: nobody has to find out the length once more.
        head.encode_raw(&mut &mut short_head[..encoded]);
        out.put_slice(&heads[..FIXED_HEAD + encoded]);
    } else {
        out.put_slice(fixed);
        head.encode(out).expect("the buffer grows");
    }
    out.put_slice(body);
    Ok(())
}
