//! How a client connects, how a call is made, and what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::frame::MAX_FRAME;
use crate::wire::{ContentType, Encoding};

/// How a client connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How many connections calls are spread over; at least one.
    pub connections: usize,
    /// Whether a connection has one call at a time, as the pools of other clients have
    /// them: a call takes one that is free, or waits for one. Otherwise calls share them.
    pub exclusive: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The longest frame, in and out, in bytes.
    pub max_frame: usize,
    /// The name that servers are told.
    pub caller: String,
    /// Whether calls that the server has told it would refuse, being overloaded, fail
    /// at once with [`CallError::Overloaded`](super::CallError::Overloaded); see
    /// [`urgency`](crate::urgency). One in ten is sent all
    /// the same, to see what becomes of it.
    pub refuse_early: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connections: 2,
            exclusive: false,
            connect_timeout: Duration::from_secs(2),
            max_frame: MAX_FRAME,
            caller: "rpc-demo".to_owned(),
            refuse_early: true,
        }
    }
}

/// How a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// How long to wait, connecting included. The server is told.
    pub timeout: Duration,
    /// How messages are encoded.
    pub content_type: ContentType,
    /// How bodies are compressed; servers answer in the same.
    pub encoding: Encoding,
    /// Bodies of fewer bytes are not compressed.
    pub compress_from: usize,
    /// What travels with the call (`trans_info`).
    pub meta: BTreeMap<String, Bytes>,
    /// What travels behind the body, neither compressed nor encoded.
    pub attachment: Bytes,
}

impl Default for CallOptions {
    /// Protobuf, not compressed, 5 seconds.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            content_type: ContentType::PROTOBUF,
            encoding: Encoding::NONE,
            compress_from: 256,
            meta: BTreeMap::new(),
            attachment: Bytes::new(),
        }
    }
}

/// What came back from a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The body, decompressed. A slice of the buffer that it was read into,
    /// unless it was compressed: who keeps it for long should copy it.
    pub body: Bytes,
    /// What the server sent along (`trans_info`).
    pub meta: BTreeMap<String, Bytes>,
    /// What the server sent behind the body.
    pub attachment: Bytes,
}
