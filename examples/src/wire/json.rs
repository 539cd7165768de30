//! Another protocol, for people and scripts: a length of four bytes
//! (big-endian), then so many bytes of JSON.
//!
//! ```json
//! {"id": 7, "method": "/rpcdemo.Echo/Echo", "timeout_ms": 500,
//!  "meta": {"key": "value"}, "body": {"hello": "world"}}
//! ```
//!
//! is answered, in any order if there are many, with
//!
//! ```json
//! {"id": 7, "code": 0, "func_code": 0, "message": "", "meta": {}, "body": {"hello": "world"}}
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::buffers::Buffer;
use super::content::ContentType;
use super::frame::FrameError;
use super::head::{CallType, RequestProtocol};
use super::protocol::{Codec, Framer, FramerBuilder, Incoming, Outgoing, Undecodable};

/// Length of the length.
const PREFIX: usize = 4;

/// JSON behind its length. Bodies are JSON; handlers of bytes get its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrefixedJson;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    id: u32,
    method: String,
    #[serde(default)]
    timeout_ms: u32,
    #[serde(default)]
    one_way: bool,
    #[serde(default)]
    meta: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// A reply.
#[derive(Debug, Serialize)]
struct Reply<'a> {
    id: u32,
    code: i32,
    func_code: i32,
    message: &'a str,
    meta: BTreeMap<&'a str, &'a str>,
    body: Option<&'a RawValue>,
}

impl FramerBuilder for PrefixedJson {
    fn framer(&self) -> Box<dyn Framer> {
        Box::new(*self)
    }
}

impl Framer for PrefixedJson {
    fn measure(&self, bytes: &[u8], max: usize) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = (u32::from_be_bytes(*prefix) as usize).saturating_add(PREFIX);
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        Ok(Some(length))
    }
}

impl Codec for PrefixedJson {
    fn decode(&self, frame: Bytes, head: &mut RequestProtocol) -> Result<Incoming, Undecodable> {
        let text = frame.slice(PREFIX..);
        let request: Request<'_> = serde_json::from_slice(&text).map_err(|error| Undecodable {
            // What cannot be read as a whole may still say who it is.
            id: serde_json::from_slice(&text).map_or(0, |Id { id }| id),
            version: 0,
            reason: error.to_string(),
        })?;
        let body = match request.body {
            Some(body) => text.slice_ref(body.get().as_bytes()),
            None => Bytes::from_static(b"null"),
        };
        let call_type = if request.one_way {
            CallType::OneWay
        } else {
            CallType::Unary
        };
        let meta = request.meta.into_iter();
        *head = RequestProtocol {
            request_id: request.id,
            call_type: call_type.into(),
            timeout: request.timeout_ms,
            func: request.method.into(),
            trans_info: meta.map(|(key, value)| (key, value.into())).collect(),
            content_type: ContentType::JSON.0,
            ..RequestProtocol::default()
        };
        Ok(Incoming {
            id: request.id,
            version: 0,
            body,
        })
    }

    fn encode(&self, out: &mut Buffer, reply: &Outgoing<'_>, max: usize) -> Result<(), FrameError> {
        let Outgoing { id, head, body, .. } = *reply;
        let not_json = |_| FrameError::Unsayable("a body that is not JSON");
        let body = match body {
            [] => None,
            body => Some(serde_json::from_slice(body).map_err(not_json)?),
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or("not text");
        let meta = head.trans_info.iter();
        let reply = Reply {
            id,
            code: head.ret,
            func_code: head.func_ret,
            message: text(&head.error_msg),
            meta: meta.map(|(key, value)| (&**key, text(value))).collect(),
            body,
        };
        let encoded = serde_json::to_vec(&reply)
            .map_err(|_| FrameError::Unsayable("a reply that is not JSON"))?;
        let length = encoded.len() + PREFIX;
        match u32::try_from(encoded.len()) {
            Ok(prefix) if length <= max => out.put_slice(&prefix.to_be_bytes()),
            _ => return Err(FrameError::TooLong { length, max }),
        }
        out.put_slice(&encoded);
        Ok(())
    }
}

/// All that is needed to answer.
#[derive(Deserialize)]
struct Id {
    id: u32,
}
