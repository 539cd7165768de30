//! Bodies: messages as protobuf or JSON, or bytes that are nobody's business.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::compress::CompressError;

/// How a body is encoded. Those that are not named here are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContentType(pub u32);

impl ContentType {
    /// Protobuf.
    pub const PROTOBUF: Self = Self(0);
    /// JSON.
    pub const JSON: Self = Self(2);
    /// FlatBuffers.
    pub const FLATBUFFERS: Self = Self(3);
    /// Raw bytes (`noop`).
    pub const RAW: Self = Self(4);
    /// XML.
    pub const XML: Self = Self(5);
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PROTOBUF => f.write_str("protobuf"),
            Self::JSON => f.write_str("JSON"),
            Self::FLATBUFFERS => f.write_str("FlatBuffers"),
            Self::RAW => f.write_str("raw bytes"),
            Self::XML => f.write_str("XML"),
            Self(other) => write!(f, "content type {other}"),
        }
    }
}

/// A message that travels as protobuf or as JSON.
pub trait Body: prost::Message + Default + Serialize + DeserializeOwned {}

impl<M: prost::Message + Default + Serialize + DeserializeOwned> Body for M {}

/// Why a body cannot be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// It is no protobuf message of this type.
    #[error("protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// It is no JSON, or not of this type.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The attachment would be longer than the body it is the end of.
    #[error("attachment of {attachment} bytes in a body of {body}")]
    Attachment {
        /// Length of the attachment, as told.
        attachment: usize,
        /// Length of the body, with the attachment.
        body: usize,
    },
    /// It cannot be compressed or decompressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// Messages do not travel like this.
    #[error("messages do not travel as {0}")]
    Unsupported(ContentType),
}

/// Decodes a message.
///
/// # Errors
/// When `body` is not of this type, or messages do not travel as `content`.
pub fn decode<M: Body>(content: ContentType, body: Bytes) -> Result<M, ContentError> {
    match content {
        ContentType::PROTOBUF => Ok(M::decode(body)?),
        ContentType::JSON => Ok(serde_json::from_slice(&body)?),
        other => Err(ContentError::Unsupported(other)),
    }
}

/// Encodes a message.
///
/// # Errors
/// When it cannot be JSON, or messages do not travel as `content`.
pub fn encode<M: Body>(content: ContentType, message: &M) -> Result<Bytes, ContentError> {
    match content {
        ContentType::PROTOBUF => Ok(message.encode_to_vec().into()),
        ContentType::JSON => Ok(serde_json::to_vec(message)?.into()),
        other => Err(ContentError::Unsupported(other)),
    }
}
