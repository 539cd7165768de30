//! The unary tRPC wire, as trpc-go 1.0.4 speaks it: a fixed head of 16 bytes,
//! a protobuf head, a body.
//!
//! [`FrameReader`] turns what a socket gives into [`Frame`]s without a copy;
//! [`frame::encode`] appends a frame to a buffer, many of which go out in one
//! write.

pub mod buffers;
pub mod code;
pub mod compress;
pub mod content;
pub mod frame;
pub mod head;
pub mod json;
pub mod protocol;
pub mod reader;

pub use code::Code;
pub use compress::{CompressError, Encoding};
pub use content::{Body, ContentError, ContentType};
pub use frame::{Frame, FrameError};
pub use head::{CallType, RequestProtocol, ResponseProtocol};
pub use protocol::{Codec, Framer, FramerBuilder, Trpc};
pub use reader::{FrameReader, Frames};
