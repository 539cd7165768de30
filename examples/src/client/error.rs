//! How a call fails.

use std::io;
use std::sync::Arc;

use pool_worker::overload::Level;

use crate::wire::{Code, ContentError, FrameError};

/// Why a call has no answer. A clone tells the same.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server answered with an error.
    #[error("the server answered {code}, business code {func_code}: {message}")]
    Remote {
        /// The framework's code; [`Code::OK`] when it is the business's.
        code: Code,
        /// The business's code.
        func_code: i32,
        /// What went wrong, in the server's words.
        message: String,
    },
    /// No answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// It was not sent: its server is overloaded, and has told that it lets in only
    /// what is more urgent; see [`urgency`](crate::urgency).
    #[error("not sent: the server is overloaded and lets in priority {} at most", admitted.business())]
    Overloaded {
        /// What the server lets in.
        admitted: Level,
    },
    /// No server is known.
    #[error("no server is known")]
    Route,
    /// The server cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    /// The request cannot be encoded.
    #[error("request cannot be encoded: {0}")]
    Encode(Arc<ContentError>),
    /// The request fits into no frame.
    #[error("request cannot be sent: {0}")]
    Unfit(FrameError),
    /// The answer cannot be decoded.
    #[error("answer cannot be decoded: {0}")]
    Decode(Arc<ContentError>),
    /// The client has been closed.
    #[error("the client is closed")]
    Cancelled,
    /// The connection broke before an answer came: the call may have been
    /// handled, or not.
    #[error("the connection broke: {0}")]
    Net(Arc<io::Error>),
    /// What came from the server is no frame; as with [`Net`](Self::Net), the
    /// call may have been handled.
    #[error("no frame from the server: {0}")]
    ReadFrame(FrameError),
}

impl CallError {
    /// The code of the framework; that of the server when it answered (then
    /// that of the business, if that is all there is).
    #[must_use]
    pub fn code(&self) -> Code {
        match *self {
            Self::Remote {
                code: Code::OK,
                func_code,
                ..
            } => Code(func_code),
            Self::Remote { code, .. } => code,
            Self::Timeout => Code::CLIENT_TIMEOUT,
            Self::Overloaded { .. } => Code::CLIENT_OVERLOAD,
            Self::Route => Code::CLIENT_ROUTE,
            Self::Connect(_) => Code::CLIENT_CONNECT,
            Self::Encode(_) | Self::Unfit(_) => Code::CLIENT_ENCODE,
            Self::Decode(_) => Code::CLIENT_DECODE,
            Self::Cancelled => Code::CLIENT_CANCELLED,
            Self::Net(_) => Code::CLIENT_NET,
            Self::ReadFrame(_) => Code::CLIENT_READ_FRAME,
        }
    }

    pub(super) fn net(error: io::Error) -> Self {
        Self::Net(Arc::new(error))
    }
}
