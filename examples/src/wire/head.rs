//! The protobuf heads (`trpc.proto` of trpc-go), written out by hand so that
//! no `protoc` is needed.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The key in a call's metadata under which the id of the request it is a part
/// of travels.
pub const REQUEST_ID: &str = "request-id";

/// The key in an answer's metadata that says that its call was not handled
/// because the server is about to stop: another one may be asked.
pub const STOPPING: &str = "stopping";

/// Whether a call is answered (`call_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum CallType {
    /// It is.
    Unary = 0,
    /// It is not.
    OneWay = 1,
}

/// The head of a request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestProtocol {
    /// Version of the protocol.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Whether an answer is expected.
    #[prost(enumeration = "CallType", tag = "2")]
    pub call_type: i32,
    /// The caller's number for the call, unique on its connection.
    #[prost(uint32, tag = "3")]
    pub request_id: u32,
    /// How long the caller waits, in milliseconds; 0 is not told.
    #[prost(uint32, tag = "4")]
    pub timeout: u32,
    /// Who calls.
    #[prost(bytes = "bytes", tag = "5")]
    pub caller: Bytes,
    /// Who is called.
    #[prost(bytes = "bytes", tag = "6")]
    pub callee: Bytes,
    /// The method, such as `/rpcdemo.Echo/Echo`.
    #[prost(bytes = "bytes", tag = "7")]
    pub func: Bytes,
    /// Flags that the framework's plugins use.
    #[prost(uint32, tag = "8")]
    pub message_type: u32,
    /// What travels with the call.
    #[prost(btree_map = "string, bytes", tag = "9")]
    pub trans_info: BTreeMap<String, Bytes>,
    /// How the body is encoded.
    #[prost(uint32, tag = "10")]
    pub content_type: u32,
    /// How the body is compressed; 0 is not at all.
    #[prost(uint32, tag = "11")]
    pub content_encoding: u32,
    /// How many bytes of the body, at its end, are an attachment.
    #[prost(uint32, tag = "12")]
    pub attachment_size: u32,
}

impl RequestProtocol {
    /// As `*self = Self::default()`, for less: a map is not cheap to drop, even an empty
    /// one, as most are. (`Message::clear` keeps hold of the frame it was read from.)
    #[inline]
    pub(crate) fn reset(&mut self) {
        let Self {
            version,
            call_type,
            request_id,
            timeout,
            caller,
            callee,
            func,
            message_type,
            trans_info,
            content_type,
            content_encoding,
            attachment_size,
        } = self;
        (*version, *call_type, *request_id, *timeout) = (0, 0, 0, 0);
        (*message_type, *content_type, *content_encoding) = (0, 0, 0);
        *attachment_size = 0;
        (*caller, *callee, *func) = (Bytes::new(), Bytes::new(), Bytes::new());
        if !trans_info.is_empty() {
            trans_info.clear();
        }
    }
}

/// The head of a response. The tag 11 is not in use.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResponseProtocol {
    /// Version of the protocol, as in the request.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// As in the request.
    #[prost(enumeration = "CallType", tag = "2")]
    pub call_type: i32,
    /// As in the request.
    #[prost(uint32, tag = "3")]
    pub request_id: u32,
    /// The framework's code; 0 is success.
    #[prost(int32, tag = "4")]
    pub ret: i32,
    /// The business's code; 0 is success.
    #[prost(int32, tag = "5")]
    pub func_ret: i32,
    /// What went wrong.
    #[prost(bytes = "bytes", tag = "6")]
    pub error_msg: Bytes,
    /// Flags that the framework's plugins use.
    #[prost(uint32, tag = "7")]
    pub message_type: u32,
    /// What travels with the response.
    #[prost(btree_map = "string, bytes", tag = "8")]
    pub trans_info: BTreeMap<String, Bytes>,
    /// How the body is encoded.
    #[prost(uint32, tag = "9")]
    pub content_type: u32,
    /// How the body is compressed; 0 is not at all.
    #[prost(uint32, tag = "10")]
    pub content_encoding: u32,
    /// How many bytes of the body, at its end, are an attachment.
    #[prost(uint32, tag = "12")]
    pub attachment_size: u32,
}

impl ResponseProtocol {
    /// As for a request.
    #[inline]
    pub(crate) fn reset(&mut self) {
        let Self {
            version,
            call_type,
            request_id,
            ret,
            func_ret,
            error_msg,
            message_type,
            trans_info,
            content_type,
            content_encoding,
            attachment_size,
        } = self;
        (*version, *call_type, *request_id, *ret, *func_ret) = (0, 0, 0, 0, 0);
        (*message_type, *content_type, *content_encoding) = (0, 0, 0);
        *attachment_size = 0;
        *error_msg = Bytes::new();
        if !trans_info.is_empty() {
            trans_info.clear();
        }
    }
}
